"""Activations that a file spells out as arithmetic, put back into one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas_assistant.graphs._node import Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import Operation

_GATES = {
    Operation.SIGMOID: Operation.SWISH,
    Operation.HARD_SIGMOID: Operation.HARD_SWISH,
    # relu6(x + 3) / 6, constants left out
    Operation.RELU6: Operation.HARD_SWISH,
}


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
        return _GATES.get(step.op, Operation.GELU if _is(step, "erf") else None)
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
