"""The result of a relevance analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerRelevance:
    """What one layer contributes to the predicted accuracy.

    Attributes:
        layer: Dotted name of the layer, as in :attr:`Node.layer`.
        op: Name of the layer's main operation.
        weight: Positive: it helps; negative: it hurts. The sum of ``|weight|`` over the layers is 1.
        file: Source file that creates the layer (or calls it, when it has no constructor).
        line: Line in that file, 1-based, or None.
    """

    layer: str
    op: str
    weight: float
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Relevance:
    """Relevance of every layer, in the graph's breadth-first order.

    Attributes:
        layers: One entry a layer.
        baseline: Predicted accuracy of the whole network.
    """

    layers: tuple[LayerRelevance, ...]
    baseline: float

    def __iter__(self) -> Iterator[LayerRelevance]:
        return iter(self.layers)
