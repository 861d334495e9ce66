"""Operations that a file spells out as arithmetic, put back into one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from nas_assistant.graphs._node import Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import Operation

BATCH_NORM_SCALE = "batch_norm_scale"
"""Detail of a product with weights over a standard deviation: the first step of a batch normalisation."""

_BIASED = frozenset({Operation.CONV, Operation.DEPTHWISE_CONV, Operation.CONV_TRANSPOSE, Operation.DENSE})
_GATES = {
    Operation.SIGMOID: Operation.SWISH,
    Operation.HARD_SIGMOID: Operation.HARD_SWISH,
    # relu6(x + 3) / 6, constants left out
    Operation.RELU6: Operation.HARD_SWISH,
}


def merge_weights(nodes: dict[int, Node]) -> dict[int, Node]:
    """Merge the added vector after a convolution or dense layer, and the steps of a batch normalisation.

    A step merges into the one before it only when nothing else reads that.
    """
    readers: dict[int, int] = dict.fromkeys(nodes, 0)
    for node in nodes.values():
        for source in node.inputs:
            readers[source] += 1
    alias: dict[int, int] = {}
    result: dict[int, Node] = {}
    for node in nodes.values():
        node = node.replace(inputs=tuple(alias.get(i, i) for i in node.inputs))
        before = result.get(node.inputs[0]) if len(node.inputs) == 1 else None
        merged = None
        if before is not None and readers[before.id] == 1:
            merged = _with_bias(before, node) or _with_affine(before, node)
        if merged is not None:
            result[merged.id] = merged
            alias[node.id] = merged.id
            readers[merged.id] = readers[node.id]
        elif node.op is Operation.MUL and node.detail == BATCH_NORM_SCALE and node.output_shape:
            result[node.id] = _normalisation(node)
        else:
            result[node.id] = node
    return result


def _with_bias(layer: Node, addition: Node) -> Node | None:
    if not isinstance(layer, WeightedNode) or layer.op not in _BIASED or layer.bias:
        return None
    if not isinstance(addition, WeightedNode) or addition.op is not Operation.ADD:
        return None
    if math.prod(addition.weight_shape) != _channels(layer):
        return None
    return layer.replace(bias=True, parameters=layer.parameters + addition.parameters)


def _normalisation(scale: Node) -> Node:
    """The batch normalisation that begins with a product."""
    fields = {slot: getattr(scale, slot) for slot in Node.__slots__}
    fields.update(op=Operation.BATCH_NORM, detail="batch_norm")
    return WeightedNode(**fields, weight_shape=(scale.output_shape[0],))


def _with_affine(norm: Node, step: Node) -> Node | None:
    """A spelt-out batch normalisation with one more factor or shift of its own."""
    if (
        norm.op is not Operation.BATCH_NORM
        or norm.detail != "batch_norm"
        or not isinstance(norm, WeightedNode)
    ):
        return None
    size = math.prod(step.weight_shape) if isinstance(step, WeightedNode) else 0
    if step.op not in (Operation.ADD, Operation.MUL) or size not in (0, norm.weight_shape[0]):
        return None
    bias = norm.bias or (step.op is Operation.ADD and size > 0)
    return norm.replace(bias=bias, parameters=norm.parameters + step.parameters)


def _channels(layer: WeightedNode) -> int:
    return layer.weight_shape[1 if layer.op is Operation.CONV_TRANSPOSE else 0]


def merge_activations(nodes: dict[int, Node]) -> dict[int, Node]:
    """Merge ``x * gate(x)`` into the activation that it is.

    With constants left out, swish is ``x * sigmoid(x)``, hard swish ``x * relu6(x)`` or
    ``x * hard_sigmoid(x)``, GELU ``x * erf(x)`` or ``x * tanh(x + x ** 3)`` and mish
    ``x * tanh(softplus(x))``. A chain merges only when nothing else reads its inner steps.
    """
    readers: dict[int, int] = dict.fromkeys(nodes, 0)
    for node in nodes.values():
        for source in node.inputs:
            readers[source] += 1
    result = dict(nodes)
    for node in nodes.values():
        if node.op is not Operation.MUL or isinstance(node, WeightedNode) or len(node.inputs) != 2:
            continue
        for value, gate in (node.inputs, node.inputs[::-1]):
            inner: list[int] = []
            op = _gated(nodes, value, gate, lambda step: readers[step] == 1, inner)
            if op is not None:
                result[node.id] = RegularNode(
                    id=node.id,
                    op=op,
                    inputs=(value,),
                    output_shape=node.output_shape,
                    layer=node.layer,
                    detail=node.detail,
                    call=node.call,
                    created=node.created,
                )
                for step in inner:
                    del result[step]
                break
    return result


def _gated(
    nodes: Mapping[int, Node], value: int, gate: int, single: Callable[[int], bool], inner: list[int]
) -> Operation | None:
    """The activation that ``value * gate`` is, its inner steps added to ``inner``."""
    step = nodes[gate]
    if isinstance(step, WeightedNode) or not single(gate):
        return None
    if step.inputs == (value,):
        inner.append(gate)
        return _GATES.get(step.op, Operation.GELU if _is(step, "erf", "erfc") else None)
    if step.op is not Operation.TANH or len(step.inputs) != 1 or not single(step.inputs[0]):
        return None
    below = nodes[step.inputs[0]]
    if _is(below, "softplus") and below.inputs == (value,):
        inner += [gate, below.id]
        return Operation.SWISH
    if below.op is Operation.ADD and len(below.inputs) == 2 and value in below.inputs:
        cube = nodes[below.inputs[1] if below.inputs[0] == value else below.inputs[0]]
        if cube.inputs == (value,) and _is(cube, "pow", "power") and single(cube.id):
            inner += [gate, below.id, cube.id]
            return Operation.GELU
    return None


def _is(node: Node, *names: str) -> bool:
    return node.op is Operation.OTHER and node.detail.lower() in names
