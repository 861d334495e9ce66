"""How near the user's data is to what the predictor learned from, and what a prediction is worth there."""

from nas_assistant.similarity._own_data import Outlook, OwnData
from nas_assistant.similarity._reference import Reference
from nas_assistant.similarity._sensitivity import from_sensitivity, to_sensitivity
from nas_assistant.similarity._similarity import CHECKED, Similarity, compare, described_distance
from nas_assistant.similarity._statistics import DataStatistics, measure
from nas_assistant.similarity._transfer import MeasuredSet, Transfer

__all__ = [
    "CHECKED",
    "DataStatistics",
    "MeasuredSet",
    "Outlook",
    "OwnData",
    "Reference",
    "Similarity",
    "Transfer",
    "compare",
    "described_distance",
    "from_sensitivity",
    "measure",
    "to_sensitivity",
]
