"""Relevance as a control shows it to a generator."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from nas_assistant.generators import BaseGenerator

if TYPE_CHECKING:
    from nas_assistant.generators import Limits, Proposal, Request, Usage
    from nas_assistant.relevance import LayerRelevance

Scores = Literal["true", "negated", "shuffled"]
"""Which relevance a generator is shown: that of the model, its negation, or the same dealt out anew."""


def shown_layers(layers: Sequence[LayerRelevance], scores: Scores, seed: str) -> tuple[LayerRelevance, ...]:
    """The relevance that a control shows."""
    weights = [layer.weight for layer in layers]
    if scores == "negated":
        weights = [-weight for weight in weights]
    elif scores == "shuffled":
        random.Random(seed).shuffle(weights)
    return tuple(replace(layer, weight=weight) for layer, weight in zip(layers, weights, strict=True))


class Misled(BaseGenerator):
    """A generator that is shown other relevance than the model's.

    Args:
        generator: Who is asked.
        scores: What it is shown.
    """

    name: ClassVar[str] = "misled"

    def __init__(self, generator: BaseGenerator, scores: Scores) -> None:
        self._generator, self._scores = generator, scores

    def propose(self, request: Request) -> list[Proposal]:
        """What the other proposes."""
        return self._generator.propose(self._shown(request))

    def stream(self, request: Request) -> Iterator[Proposal]:
        """The same, one after the other."""
        return self._generator.stream(self._shown(request))

    def check(self, limits: Limits) -> None:
        """Whether the other can work."""
        self._generator.check(limits)

    def begin(self, folder: Path, limits: Limits) -> None:
        """Let the other take in the run."""
        self._generator.begin(folder, limits)

    def usage(self) -> Usage | None:
        """What the other cost."""
        return self._generator.usage()

    def close(self) -> None:
        """Release what the other holds."""
        self._generator.close()

    def _shown(self, request: Request) -> Request:
        layers = shown_layers(request.relevance, self._scores, str(request.seed))
        return replace(request, relevance=layers)
