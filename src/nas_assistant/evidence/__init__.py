"""Several kinds of evidence on the same networks, joined to one score with an interval."""

from nas_assistant.evidence._ranks import aggregate_ranks, normal_scores
from nas_assistant.evidence._shipped import BOTH, KINDS, PROXIES, load_stacker
from nas_assistant.evidence._stacker import PREDICTOR, Pool, Stacked, Stacker

__all__ = [
    "BOTH",
    "KINDS",
    "PREDICTOR",
    "PROXIES",
    "Pool",
    "Stacked",
    "Stacker",
    "aggregate_ranks",
    "load_stacker",
    "normal_scores",
]
