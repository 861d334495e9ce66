"""Evaluation: rankings against measured accuracies, beside baselines."""

from typing import TYPE_CHECKING, Any

from nas_assistant.evaluation._bootstrap import bootstrap_intervals
from nas_assistant.evaluation._metrics import (
    kendall,
    ndcg,
    rank_metrics,
    regret,
    spearman,
    spearman_top_decile,
)

if TYPE_CHECKING:
    from nas_assistant.evaluation._evaluate import METRICS as METRICS
    from nas_assistant.evaluation._evaluate import Evaluation as Evaluation
    from nas_assistant.evaluation._evaluate import Row as Row
    from nas_assistant.evaluation._evaluate import evaluate as evaluate
    from nas_assistant.evaluation._evaluate import score_row as score_row

__all__ = [
    "METRICS",
    "Evaluation",
    "Row",
    "bootstrap_intervals",
    "evaluate",
    "kendall",
    "ndcg",
    "rank_metrics",
    "regret",
    "score_row",
    "spearman",
    "spearman_top_decile",
]

_EVALUATION = ("METRICS", "Evaluation", "Row", "evaluate", "score_row")


def __getattr__(name: str) -> Any:
    # The training reads the metrics, and the evaluation reads the training's cache.
    if name in _EVALUATION:
        from nas_assistant.evaluation import _evaluate

        return getattr(_evaluate, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
