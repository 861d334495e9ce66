"""Evaluation: rankings against measured accuracies, beside baselines."""

from typing import TYPE_CHECKING, Any

from nas_assistant.evaluation._metrics import kendall, ndcg, rank_metrics, regret, spearman

if TYPE_CHECKING:
    from nas_assistant.evaluation._evaluate import METRICS as METRICS
    from nas_assistant.evaluation._evaluate import Evaluation as Evaluation
    from nas_assistant.evaluation._evaluate import evaluate as evaluate

__all__ = ["METRICS", "Evaluation", "evaluate", "kendall", "ndcg", "rank_metrics", "regret", "spearman"]


def __getattr__(name: str) -> Any:
    # The training reads the metrics, and the evaluation reads the training's cache.
    if name in ("METRICS", "Evaluation", "evaluate"):
        from nas_assistant.evaluation import _evaluate

        return getattr(_evaluate, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
