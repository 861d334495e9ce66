"""How many parameters an edit can add."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_assistant.graphs import NORMALISATIONS, ComputationalGraph, Node, Operation

if TYPE_CHECKING:
    from nas_assistant.edits import Change

_BLOCK_WEIGHTS = {"conv-bn": (9, 0), "separable": (1, 9), "dense": (1, 1)}
"""Parameters of a block of width C: so many times C squared, and so many times C."""
_NORM_WEIGHTS = 4  # two of them are moved, not trained, and Keras counts them


def growth(graph: ComputationalGraph, change: Change) -> float:
    """An upper bound of the parameters that an edit adds; 0 or less where it adds none.

    It spares candidates that would break a limit; the limit itself is checked on the real model. For edits
    whose shapes only the sandbox can check it is a guess.
    """
    edit = change.edit
    nodes = [graph.nodes[node] for node in change.relevant]
    own = sum(node.parameters for node in nodes)
    widths = [node.output_shape[0] for node in nodes if node.output_shape]
    before, after = edit.arguments.get("from"), edit.arguments.get("to")
    if edit.operation in ("widen", "narrow", "scale_width"):
        if not isinstance(before, int) or not isinstance(after, int) or not before:
            return 0.0
        factor = after / before
        return (factor - 1) * own if factor < 1 else _widening(graph, nodes, factor)
    if edit.operation == "add_norm":
        return sum(_NORM_WEIGHTS * width for width in widths)
    if edit.operation == "insert_block":
        square, line = _BLOCK_WEIGHTS.get(str(edit.arguments.get("block")), (9, 1))
        return sum(square * width**2 + (line + _NORM_WEIGHTS) * width for width in widths)
    if edit.operation in ("repeat_layer", "repeat_entry"):
        return float(own)
    if edit.operation == "change_kernel" and isinstance(before, str) and isinstance(after, str):
        ratio = _area(after) / _area(before)
        biases = sum(widths) if ratio < 1 else 0  # they stay
        return (ratio - 1) * (own - biases)
    if edit.operation == "swap_conv":
        return sum(map(_separated, nodes))
    return 0.0


def _area(kernel: str) -> int:
    """Entries of a kernel such as ``3x3``."""
    return math.prod(int(side) for side in kernel.split("x"))


def _separated(node: Node) -> float:
    """What a convolution gains by becoming a depthwise and a pointwise one; mostly less than 0."""
    if not node.kernel or not node.input_shape or not node.output_shape:
        return 0.0
    area, width, wide = math.prod(node.kernel), node.input_shape[0], node.output_shape[0]
    return float(area * width + width * wide - area * width * wide)


def _widening(graph: ComputationalGraph, producers: Sequence[Node], factor: float) -> float:
    """What is added where some layers give more channels: by them, and by all that reads these channels."""
    users: dict[int, list[int]] = {}
    for source, target in graph.edges:
        users.setdefault(source, []).append(target)
    factors = {node.id: factor for node in producers}
    reached: set[int] = set()
    waiting = [user for node in producers for user in users.get(node.id, ())]
    while waiting:
        number = waiting.pop()
        if number in reached:
            continue
        reached.add(number)
        node = graph.nodes[number]
        factors[number] = factors.get(number, 1.0) * factor
        keeps_channels = not node.parameters or node.op in (*NORMALISATIONS, Operation.DEPTHWISE_CONV)
        if keeps_channels:
            waiting.extend(users.get(number, ()))
    return sum((factors[number] - 1) * graph.nodes[number].parameters for number in factors)
