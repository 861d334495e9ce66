"""What a change of height and width does further down."""

from __future__ import annotations

import math

from nas_assistant.edits._context import EditContext
from nas_assistant.graphs import Node, Operation

_BROKEN = (-1, -1)


def sizes_below(
    context: EditContext, changed: dict[int, tuple[int, int]]
) -> dict[int, tuple[int, int]] | None:
    """The sizes of all outputs that change when some do; None where a layer below no longer fits.

    A change ends at a global or adaptive pool; in Keras also at a flattening, since the dense layer behind
    it takes what comes.

    Args:
        context: Source and graph.
        changed: New ``(height, width)`` of the output of some nodes.
    """
    sizes = dict(changed)
    for node in context.graph:
        if node.id in changed or not any(item in sizes for item in node.inputs):
            continue
        size = _next(context, node, sizes)
        if size == _BROKEN or (size is not None and min(size) < 1):
            return None
        if size is not None and size != node.output_shape[1:]:
            sizes[node.id] = size
    return sizes


def windowed(node: Node, height: int, width: int) -> tuple[int, int]:
    """Height and width behind a convolution or pool, or (-1, -1) where its formula does not hold."""
    if (
        node.kernel is None
        or node.stride is None
        or node.padding is None
        or (len(node.input_shape) != 3 or len(node.output_shape) != 3)
    ):
        return _BROKEN
    dilation = node.dilation or (1, 1)
    before = (node.padding[0] + node.padding[2], node.padding[1] + node.padding[3])
    result = []
    for axis, size in enumerate((height, width)):
        reach = dilation[axis] * (node.kernel[axis] - 1) + 1
        if not node.stride[axis] or size + before[axis] < reach:
            return _BROKEN
        known = (node.input_shape[1 + axis] + before[axis] - reach) // node.stride[axis] + 1
        if known != node.output_shape[1 + axis]:
            return _BROKEN
        result.append((size + before[axis] - reach) // node.stride[axis] + 1)
    return (result[0], result[1])


def _next(context: EditContext, node: Node, sizes: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
    """The new size of a node's output; None: as before."""
    graph = context.graph
    if (node.op is Operation.GLOBAL_AVG_POOL and not _windows(node)) or (
        node.op is Operation.MEAN and len(node.output_shape) == 1
    ):
        return None
    if "adaptive" in node.detail:
        return None  # its output is given
    if node.op in (Operation.ADD, Operation.MUL, Operation.CONCAT):
        return _joined([sizes.get(item, graph.nodes[item].output_shape[1:]) for item in node.inputs])
    size = sizes.get(node.inputs[0], ())
    if len(size) != 2:
        return _BROKEN
    if node.op in (Operation.CONV, Operation.DEPTHWISE_CONV, Operation.MAX_POOL, Operation.AVG_POOL):
        return windowed(node, *size)
    if node.op is Operation.RESHAPE and len(node.output_shape) == 1:
        flat = math.prod(node.input_shape) == node.output_shape[0]
        return None if flat and not context.torch else _BROKEN
    if node.op is Operation.OUTPUT or len(node.inputs) != 1:
        return _BROKEN
    return size if node.output_shape == node.input_shape and _local(node) else _BROKEN


def _windows(node: Node) -> bool:
    """Whether a global pool is a window that happens to cover the map, and so does not take any size."""
    return node.detail in ("avg_pool2d", "AvgPool2d") or node.detail.startswith("Average")


def _local(node: Node) -> bool:
    from nas_assistant.graphs import ACTIVATIONS

    return node.op in ACTIVATIONS or node.op in (
        Operation.BATCH_NORM,
        Operation.GROUP_NORM,
        Operation.DROPOUT,
        Operation.IDENTITY,
    )


def _joined(shapes: list[tuple[int, ...]]) -> tuple[int, int]:
    full = {tuple(shape) for shape in shapes if tuple(shape) != (1, 1)}
    if len(full) != 1:
        return _BROKEN
    height, *rest = full.pop()
    return (height, rest[0]) if len(rest) == 1 else _BROKEN
