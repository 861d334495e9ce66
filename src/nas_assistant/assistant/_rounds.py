"""What a run tells of its rounds, and what it remembers of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_assistant.assistant._history import Candidate
from nas_assistant.graphs import ComputationalGraph

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        iteration: The round at work, from 1.
        max_iterations: Most rounds.
        checked: Candidates of the round that were checked.
        proposed: Candidates of the round that were proposed.
        original: Predicted accuracy of the user's file.
        best: Predicted accuracy of the best so far.
        target: Predicted accuracy to pass, or None where the run does not end there.
        candidate: The candidate that was checked last, or None.
        weighed: At the end: how many of the best candidates were scored, and how many there are.
    """

    iteration: int
    max_iterations: int
    checked: int
    proposed: int
    original: float
    best: float
    target: float | None
    candidate: Candidate | None = None
    weighed: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The best model so far; number 0 is the user's own."""

    number: int
    source: str
    graph: ComputationalGraph
    prediction: Prediction
    trusted_gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """One question to a generator.

    Attributes:
        iteration: Its number, from 1.
        parent: Number of the model that it goes on from.
        generator: Who is asked.
        first: Number of the first candidate.
        count: How many were proposed, or None as long as that is not known.
    """

    iteration: int
    parent: int
    generator: str
    first: int
    count: int | None = None


def iteration_seed(seed: int, iteration: int) -> int:
    """Seed of one round, so that a resumed run draws what an uninterrupted one would have drawn."""
    digest = hashlib.sha256(f"{seed}:{iteration}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
