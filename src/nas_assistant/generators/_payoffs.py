"""What each kind of change has been worth so far in a run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from nas_assistant.edits import Edit
from nas_assistant.generators._base import Attempt

_RECENT = 32
_STRENGTH = 2.0


class Payoffs:
    """Adaptive operator selection: kinds of change that raised the prediction are drawn more often.

    A kind is an operation and what it does, wherever: ``Conv3x3 -> MaxPool3x3 block``. Each
    attempt tells of all its edits (Davis 1989, "Adapting operator probabilities in genetic algorithms").

    Args:
        history: Earlier attempts, oldest first.
    """

    def __init__(self, history: Sequence[Attempt]) -> None:
        known = [(attempt, attempt.gain) for attempt in history if attempt.gain is not None][-_RECENT:]
        typical = median(abs(gain) for _, gain in known) if known else 0.0
        self._found: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for attempt, gain in known:
            for kind in {edit.kind for edit in attempt.edits}:
                self._found[kind].append(math.tanh(gain / (typical or 1.0)))

    def weight(self, edit: Edit) -> float:
        """How much more often than one of an unknown kind an edit is to be drawn."""
        found = self._found.get(edit.kind, ())
        return math.exp(_STRENGTH * sum(found) / (len(found) + 1))
