"""How much an edit can add to a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas_assistant.graphs import NORMALISATIONS, ComputationalGraph, Node, Operation

NORM_WEIGHTS = 4
"""Parameters of a normalisation for each channel; two are moved, not trained, and Keras counts them too."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What an edit adds at most, or how much may be added.

    Attributes:
        parameters: Of the model.
        flops: Of one sample.
    """

    parameters: float = 0.0
    flops: float = 0.0

    def __add__(self, other: Growth) -> Growth:
        return Growth(self.parameters + other.parameters, self.flops + other.flops)

    def __sub__(self, other: Growth) -> Growth:
        return Growth(self.parameters - other.parameters, self.flops - other.flops)

    def fits(self, room: Growth, share: float = 1.0) -> bool:
        """Whether a share of the room is enough; where there is none, whether this makes some."""
        pairs = ((self.parameters, room.parameters), (self.flops, room.flops))
        return all(need <= left * share if left >= 0 else need < 0 for need, left in pairs)


def total(parts: Iterable[Growth]) -> Growth:
    """The sum."""
    return sum(parts, Growth())


def scaled(node: Node, factor: float) -> Growth:
    """So many times what a layer has."""
    return Growth(factor * node.parameters, factor * 2 * node.macs)


def layer_behind(node: Node, square: int, line: int) -> Growth:
    """A layer behind a node with so many parameters for its width squared, and for its width."""
    parameters = square * width(node) ** 2 + line * width(node)
    return Growth(parameters, 2 * parameters * positions(node))


def once_more(nodes: Iterable[Node]) -> Growth:
    """Layers again, each with a normalisation."""
    return total(scaled(node, 1.0) + layer_behind(node, 0, NORM_WEIGHTS) for node in nodes)


def resized(graph: ComputationalGraph, sizes: Mapping[int, tuple[int, int]]) -> Growth:
    """Feature maps of other sizes, and in Keras the dense layers behind them, which take what comes."""
    ratios = {number: math.prod(size) / positions(graph.nodes[number]) for number, size in sizes.items()}
    added = [Growth(0.0, 2 * graph.nodes[number].macs * (ratio - 1)) for number, ratio in ratios.items()]
    for node in graph:
        ratio = max((ratios[item] for item in node.inputs if item in ratios), default=1.0)
        flat = len(node.output_shape) == 1 and node.op not in (Operation.GLOBAL_AVG_POOL, Operation.MEAN)
        if node.id in ratios or ratio == 1.0 or not flat:
            continue
        added.append(rescaled(node, ratio))
        if not node.parameters or node.op in NORMALISATIONS:
            ratios[node.id] = ratio
    return total(added)


def rescaled(node: Node, ratio: float) -> Growth:
    """A layer with so many times its weights."""
    biases = width(node) if ratio < 1 else 0  # they stay
    return Growth((ratio - 1) * (node.parameters - biases), (ratio - 1) * 2 * node.macs)


def width(node: Node) -> int:
    """Channels or features that a node gives."""
    return node.output_shape[0] if node.output_shape else 0


def positions(node: Node) -> int:
    """Positions of a feature map, at each of which a layer behind it works."""
    return math.prod(node.output_shape[1:])
