"""Trains a model and its better version for real, and says whether the gain holds."""

from __future__ import annotations

from nas_assistant.verify._bench import Bench, OutOfTime, Step
from nas_assistant.verify._curves import Extrapolation, extrapolate, sparkline
from nas_assistant.verify._recipe import AUGMENTATIONS, Recipe
from nas_assistant.verify._store import DEFAULT_STORE, LabelStore
from nas_assistant.verify._subject import Subject, read_subject
from nas_assistant.verify._unit import Epoch, UnitFolder
from nas_assistant.verify._verdict import Verdict, judge
from nas_assistant.verify._verify import Trained, Verification, verify

__all__ = [
    "AUGMENTATIONS",
    "DEFAULT_STORE",
    "Bench",
    "Epoch",
    "Extrapolation",
    "LabelStore",
    "OutOfTime",
    "Recipe",
    "Step",
    "Subject",
    "Trained",
    "UnitFolder",
    "Verdict",
    "Verification",
    "extrapolate",
    "judge",
    "read_subject",
    "sparkline",
    "verify",
]
