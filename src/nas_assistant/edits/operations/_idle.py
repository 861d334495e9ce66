"""Layers that give what they read: to take one away, or to swap it, leaves the network as it is."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from nas_assistant.edits._context import LayerCall
from nas_assistant.edits._values import literal
from nas_assistant.edits.operations._around import same
from nas_assistant.graphs import Node, Operation


def is_idle(layer: LayerCall) -> bool:
    """Whether a layer is an identity, a dropout of rate 0, or a pool of single pixels."""
    if layer.nodes and all(node.op is Operation.IDENTITY for node in layer.nodes):
        return True
    if layer.kind.role == "dropout":
        return written_rate(layer) == 0
    if layer.kind.role != "pool" or not all(same(node) for node in layer.nodes):
        return False
    size = layer.arguments.get(layer.kind.parameters[0])
    written = None if size is None else literal(size.value)
    return written in (1, (1,), (1, 1), (1, 1, 1)) or (written is None and single_pixels(layer.nodes))


def single_pixels(pools: Sequence[Node]) -> bool:
    """Whether pools see one pixel at a time; of a volume, a graph keeps the last two axes alone."""
    return all(pool.kernel == (1, 1) and len(pool.input_shape) < 4 for pool in pools)


def written_rate(layer: LayerCall) -> float | None:
    """The rate of a dropout layer where it is a number that is written there."""
    rate = layer.arguments.get(layer.kind.parameters[0])
    if rate is None or not isinstance(rate.value, cst.Float | cst.Integer):
        return None
    return float(rate.value.evaluated_value)
