"""Where what a layer gives ends up: in the network's output, or in a gate that weighs another tensor."""

from __future__ import annotations

from collections.abc import Set

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._around import PASSING, behind
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation

_SHAPES = frozenset({
    Operation.CONCAT, Operation.DROPOUT, Operation.IDENTITY, Operation.RESHAPE, Operation.SPLIT,
    Operation.TRANSPOSE,
})  # fmt: skip
_SUMS = frozenset(
    {Operation.ADD, Operation.AVG_POOL, Operation.GLOBAL_AVG_POOL, Operation.MEAN, Operation.MUL}
)
_LOGITS = _SHAPES | _SUMS | {Operation.SIGMOID, Operation.SOFTMAX, Operation.UPSAMPLE}
_GATES = frozenset({
    Operation.HARD_SIGMOID, Operation.RELU6, Operation.SIGMOID, Operation.SOFTMAX, Operation.TANH,
})  # fmt: skip
_GATED = _SHAPES | NORMALISATIONS | {Operation.ADD, Operation.UPSAMPLE}


def scales(context: EditContext, node: Node) -> bool:
    """Whether another branch is multiplied with what a node gives."""
    return any(found.op is Operation.MUL for found in _readers(context, node))


def makes_output(context: EditContext, node: Node) -> bool:
    """Whether what a node gives is only reshaped, weighted and summed on some way to the network's output."""
    waiting, seen = [node], set[int]()
    while waiting:
        for found in _readers(context, waiting.pop()):
            if found.op is Operation.OUTPUT:
                return True
            if found.id not in seen and (found.op in _LOGITS or _mixes(found)):
                seen.add(found.id)
                waiting.append(found)
    return False


def is_output(context: EditContext, layer: LayerCall) -> bool:
    """Whether one of a layer's nodes makes the network's output."""
    return any(makes_output(context, node) for node in layer.main)


def gives_scores(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer gives what the output or a gate is made of, behind which no further layer belongs."""
    return is_output(context, layer) or any(_ends_in_gates(context, node, _GATED) for node in layer.main)


def is_in_gate(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer is a part of a gate, such as the squeeze of a squeeze-and-excitation."""
    return any(_ends_in_gates(context, node, frozenset(Operation)) for node in layer.last)


def is_shortcut(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer is the 1x1 convolution of a shortcut, beside a branch that reads what it reads."""
    return bool(layer.main) and all(_is_beside_branch(context, node) for node in layer.main)


def _is_beside_branch(context: EditContext, node: Node) -> bool:
    sums = behind(context, node, PASSING | NORMALISATIONS)
    if set(node.kernel or ()) != {1} or not sums or any(found.op is not Operation.ADD for found in sums):
        return False
    waiting, seen = [item for found in sums for item in found.inputs], {node.id}
    source = node.inputs[0]
    while waiting:
        found = context.graph.nodes[waiting.pop()]
        if found.id == source or found.id in seen:
            continue
        seen.add(found.id)
        if found.op is not Operation.IDENTITY and source in found.inputs:
            return True
        # Before the source there is nothing that began with it.
        waiting.extend(item for item in found.inputs if item > source)
    return False


def is_linear_at_times(context: EditContext, layer: LayerCall) -> bool:
    """Whether the code around a layer puts an activation behind it for some of its uses only."""

    def activated(node: Node) -> bool:
        found = [item for item in behind(context, node, PASSING | NORMALISATIONS) if item.op in ACTIVATIONS]
        return any(_stands_beside(context, layer, node, item) for item in found)

    return len(set(map(activated, layer.last))) > 1


def _stands_beside(context: EditContext, layer: LayerCall, node: Node, activation: Node) -> bool:
    """Whether an activation is of the same block, or call of a helper, as a layer before it."""
    if context.torch:
        block = node.layer.rpartition(".")[0]
        return not block or f"{activation.layer}.".startswith(f"{block}.")
    helper = context.tree.enclosing(layer.call, cst.FunctionDef) or context.tree.module
    start, end = context.tree.span(layer.call)[0], context.tree.span(helper)[1]
    return any(start < offset < end for offset in context.offsets(activation))


def _ends_in_gates(context: EditContext, node: Node, passing: Set[Operation]) -> bool:
    """Whether all ways from a node lead, through some operations, to activations that weigh a tensor."""
    waiting, seen = [node], {node.id}
    while waiting:
        found = waiting.pop()
        if _is_gate(context, found):
            continue
        readers = _readers(context, found)
        if not readers or (found is not node and found.op not in passing):
            return False
        waiting.extend(reader for reader in readers if reader.id not in seen)
        seen.update(reader.id for reader in readers)
    return True


def _is_gate(context: EditContext, node: Node) -> bool:
    """Whether a node bounds what it reads, for nothing but to weigh another tensor."""
    if node.op not in _GATES:
        return False
    ways = behind(context, node, _SHAPES)
    return bool(ways) and all(map(_is_product, ways))


def _is_product(node: Node) -> bool:
    # Experts may be mixed by their weights, which the graph does not show as an input.
    return node.op is Operation.MATMUL or (node.op is Operation.MUL and len(node.inputs) > 1)


def _mixes(node: Node) -> bool:
    return node.op is Operation.MATMUL and len(node.inputs) > 1


def _readers(context: EditContext, node: Node) -> list[Node]:
    return [context.graph.nodes[user] for user in context.users.get(node.id, [])]
