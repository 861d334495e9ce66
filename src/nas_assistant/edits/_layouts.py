"""What the channel axis of every tensor consists of, by union-find over the graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nas_assistant.graphs import ACTIVATIONS, ComputationalGraph, Node, Operation, WeightedNode

if TYPE_CHECKING:
    from collections.abc import Iterable

Layout = tuple[tuple[int, int], ...]
"""Pieces of a channel axis in order: a channel group (the id of a node that produces it) and how many
positions each of its channels takes (more than one after a flattening)."""

_SAME = ACTIVATIONS | {
    Operation.BATCH_NORM,
    Operation.GROUP_NORM,
    Operation.LAYER_NORM,
    Operation.MAX_POOL,
    Operation.AVG_POOL,
    Operation.GLOBAL_AVG_POOL,
    Operation.PAD,
    Operation.MEAN,
    Operation.IDENTITY,
    Operation.DROPOUT,
    Operation.UPSAMPLE,
}
_PRODUCERS = frozenset({Operation.CONV, Operation.CONV_TRANSPOSE, Operation.DENSE})


class Layouts:
    """Channel groups: which channel numbers are one number.

    Elementwise operations tie the groups of their inputs; normalisation, activations, pools and depthwise
    convolutions pass a group on; concatenation puts groups side by side; flattening multiplies them. The
    input, the output and whatever goes through any other operation are frozen.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: ComputationalGraph) -> None:
        self._graph = graph
        self._parent = list(range(len(graph)))
        self._frozen: set[int] = set()
        self.size: dict[int, int] = {}
        self._layouts: list[Layout | None] = []
        for node in graph:
            self._layouts.append(self._layout(node))

    def root(self, group: int) -> int:
        """The group's representative."""
        while self._parent[group] != group:
            self._parent[group] = self._parent[self._parent[group]]
            group = self._parent[group]
        return group

    def frozen(self, group: int) -> bool:
        """Whether the channels of a group must stay."""
        root = self.root(group)
        return any(self.root(item) == root for item in self._frozen)

    def of(self, node: int) -> Layout | None:
        """Layout of a node's output; None where its channels are not understood."""
        layout = self._layouts[node]
        return None if layout is None else tuple((self.root(group), factor) for group, factor in layout)

    def inputs_of(self, node: Node) -> Layout | None:
        """Layout of a node's first input."""
        return self.of(node.inputs[0]) if node.inputs else None

    def width(self, layout: Layout, changes: dict[int, int]) -> int:
        """Number of channels, with some groups changed."""
        return sum(changes.get(group, self.size[group]) * factor for group, factor in layout)

    def freeze(self, layouts: Iterable[Layout | None]) -> None:
        """Let the channels of some layouts stay as they are."""
        for layout in layouts:
            self._frozen.update(group for group, _ in layout or ())

    def tie(self, first: Layout | None, second: Layout | None) -> None:
        """Let two layouts change together, or freeze both where they do not match."""
        if first is None or second is None or len(first) != len(second):
            self.freeze((first, second))
            return
        pairs = list(zip(first, second, strict=True))
        if any(a[1] != b[1] or self.size[self.root(a[0])] != self.size[self.root(b[0])] for a, b in pairs):
            self.freeze((first, second))
            return
        for (one, _), (other, _) in pairs:
            self._parent[self.root(one)] = self.root(other)

    def _new(self, node: Node) -> Layout:
        self.size[node.id] = node.output_shape[0] if node.output_shape else 0
        return ((node.id, 1),)

    def _opaque(self, node: Node) -> Layout | None:
        """Freeze what goes into a node; its output is not understood."""
        self.freeze(self._layouts[item] for item in node.inputs)
        return None

    def _layout(self, node: Node) -> Layout | None:
        op = node.op
        before = [self._layouts[item] for item in node.inputs]
        if op is Operation.DEPTHWISE_CONV and node.output_shape[:1] == node.input_shape[:1]:
            return before[0]
        if op in _PRODUCERS and isinstance(node, WeightedNode) and len(node.output_shape) in (1, 3):
            if op is Operation.DENSE and len(node.output_shape) != 1:
                return self._opaque(node)
            return self._new(node)
        if op in _SAME and node.output_shape[:1] == node.input_shape[:1] and len(before) == 1:
            if isinstance(node, WeightedNode) and op is Operation.LAYER_NORM and len(node.weight_shape) > 1:
                return self._opaque(node)
            return before[0]
        if op in (Operation.ADD, Operation.MUL) and len(before) >= 2:
            return self._elementwise(node, before)
        if op is Operation.CONCAT and before:
            return self._concat(node, before)
        if op is Operation.RESHAPE and len(before) == 1:
            return self._reshape(node, before[0])
        return self._opaque(node)

    def _elementwise(self, node: Node, before: list[Layout | None]) -> Layout | None:
        shapes = [self._graph.nodes[item].output_shape for item in node.inputs]
        full = [
            layout
            for layout, shape in zip(before, shapes, strict=True)
            if len(shape) == len(node.output_shape) and shape[:1] == node.output_shape[:1]
        ]
        rest = [shape for shape in shapes if shape[:1] != node.output_shape[:1]]
        if not full or any(shape[:1] != (1,) or len(shape) != len(node.output_shape) for shape in rest):
            return self._opaque(node)
        # One channel that all of the others are weighed with stays one.
        ones = zip(before, shapes, strict=True)
        self.freeze(layout for layout, shape in ones if shape[:1] != node.output_shape[:1])
        for other in full[1:]:
            self.tie(full[0], other)
        return full[0] if all(layout is not None for layout in full) else self._opaque(node)

    def _concat(self, node: Node, before: list[Layout | None]) -> Layout | None:
        shapes = [self._graph.nodes[item].output_shape for item in node.inputs]
        along = all(len(shape) == len(node.output_shape) for shape in shapes) and node.output_shape[:1] == (
            sum(shape[0] for shape in shapes if shape),
        )
        if not along or any(layout is None for layout in before):
            return self._opaque(node)
        return tuple(piece for layout in before for piece in layout or ())

    def _reshape(self, node: Node, before: Layout | None) -> Layout | None:
        shape, result = node.input_shape, node.output_shape
        if before is None or math.prod(shape) != math.prod(result):
            return self._opaque(node)
        if shape[:1] == result[:1]:
            keeps = shape == result or math.prod(shape[1:]) == 1
            return before if keeps else self._opaque(node)
        if len(result) == 1:
            area = math.prod(shape[1:])
            return tuple((group, factor * area) for group, factor in before)
        return self._opaque(node)
