"""Trains a model and its better version for real, and says whether the gain holds."""

from __future__ import annotations

from nas_assistant.verify._backends import BACKENDS, METHODS, check_backend, run_contest
from nas_assistant.verify._bench import Bench, OutOfTime, Step
from nas_assistant.verify._contest import Contender, Contest, Standing, read_contenders
from nas_assistant.verify._curves import Extrapolation, extrapolate, sparkline
from nas_assistant.verify._recipe import AUGMENTATIONS, Recipe
from nas_assistant.verify._store import DEFAULT_STORE, LabelStore
from nas_assistant.verify._subject import Subject, read_subject
from nas_assistant.verify._unit import Epoch, UnitFolder
from nas_assistant.verify._verdict import Verdict, judge
from nas_assistant.verify._verify import Trained, Verification, verify
from nas_assistant.verify._verify_run import RunVerification, verify_run

__all__ = [
    "AUGMENTATIONS",
    "BACKENDS",
    "DEFAULT_STORE",
    "METHODS",
    "Bench",
    "Contender",
    "Contest",
    "Epoch",
    "Extrapolation",
    "LabelStore",
    "OutOfTime",
    "Recipe",
    "RunVerification",
    "Standing",
    "Step",
    "Subject",
    "Trained",
    "UnitFolder",
    "Verdict",
    "Verification",
    "check_backend",
    "extrapolate",
    "judge",
    "read_contenders",
    "read_subject",
    "run_contest",
    "sparkline",
    "verify",
    "verify_run",
]
