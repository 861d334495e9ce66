"""Proposes, checks, predicts and keeps the best: a better version of a user's model file."""

from __future__ import annotations

from nas_assistant.assistant._history import Candidate, Result
from nas_assistant.assistant._improve import improve
from nas_assistant.assistant._options import DEFAULT_GAIN, FAMILIARITY_MARGIN, Options
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._sandbox import warm_sandbox
from nas_assistant.assistant._search import Progress

__all__ = [
    "DEFAULT_GAIN",
    "FAMILIARITY_MARGIN",
    "Candidate",
    "Options",
    "Progress",
    "Result",
    "RunDirectory",
    "improve",
    "warm_sandbox",
]
