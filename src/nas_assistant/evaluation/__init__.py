"""Evaluation: rankings against measured accuracies, beside baselines."""

import importlib
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
    from nas_assistant.evaluation._jobs import Job as Job
    from nas_assistant.evaluation._jobs import Networks as Networks
    from nas_assistant.evaluation._jobs import Protocol as Protocol
    from nas_assistant.evaluation._jobs import protocols as protocols
    from nas_assistant.evaluation._jobs import run_job as run_job
    from nas_assistant.evaluation._jobs import summarise as summarise
    from nas_assistant.evaluation._recipe import ABLATIONS as ABLATIONS
    from nas_assistant.evaluation._recipe import OURS as OURS
    from nas_assistant.evaluation._recipe import SHORT as SHORT
    from nas_assistant.evaluation._recipe import get_scorer as get_scorer

__all__ = [
    "ABLATIONS",
    "METRICS",
    "Evaluation",
    "Job",
    "Networks",
    "OURS",
    "SHORT",
    "Protocol",
    "Row",
    "bootstrap_intervals",
    "evaluate",
    "get_scorer",
    "kendall",
    "ndcg",
    "protocols",
    "rank_metrics",
    "regret",
    "run_job",
    "score_row",
    "spearman",
    "spearman_top_decile",
    "summarise",
]

_LATER = {
    **dict.fromkeys(("METRICS", "Evaluation", "Row", "evaluate", "score_row"), "_evaluate"),
    **dict.fromkeys(("Job", "Networks", "Protocol", "protocols", "run_job", "summarise"), "_jobs"),
    **dict.fromkeys(("ABLATIONS", "OURS", "SHORT", "get_scorer"), "_recipe"),
}


def __getattr__(name: str) -> Any:
    # The training reads the metrics, and the evaluation reads the training's cache.
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
