"""What stands before and behind a layer in the graph, and what it does there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Literal

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation

PASSING = frozenset({Operation.DROPOUT, Operation.IDENTITY, Operation.RESHAPE, Operation.TRANSPOSE})
UP_TO_NORM = PASSING | ACTIVATIONS
PRODUCTS = frozenset({Operation.ATTENTION, Operation.MATMUL})


def only_user(context: EditContext, node: Node) -> Node | None:
    """The one node that reads a node's output, if there is one only."""
    users = context.users.get(node.id, [])
    return context.graph.nodes[users[0]] if len(users) == 1 else None


def behind(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The nodes that read a node, and for those of some operations the nodes behind them."""
    return list(_beyond(context, node, lambda at: context.users.get(at.id, ()), passing))


def before(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The nodes that a node reads, and for those of some operations the nodes before them."""
    return list(_beyond(context, node, lambda at: at.inputs, passing))


def _beyond(
    context: EditContext, node: Node, ways: Callable[[Node], Iterable[int]], passing: Set[Operation]
) -> Iterator[Node]:
    for found in map(context.graph.nodes.__getitem__, ways(node)):
        if found.op in passing:
            yield from _beyond(context, found, ways, passing)
        else:
            yield found


def norm_behind(context: EditContext, layer: LayerCall) -> Literal["layer", "activation", ""] | None:
    """What a normalisation stands behind: a layer, its activation, or neither; None where uses differ."""
    found = {_norm_behind(context, node) for node in layer.last}
    return found.pop() if len(found) == 1 else None


def _norm_behind(context: EditContext, node: Node) -> Literal["layer", "activation", ""]:
    if norms_next(context, node, PASSING):
        return "layer"
    return "activation" if norms_next(context, node, UP_TO_NORM) else ""


def is_normalised(context: EditContext, layer: LayerCall) -> bool:
    """Whether all that reads a layer normalises it first."""
    found = [user for node in layer.last for user in behind(context, node, PASSING)]
    return all(user.op in NORMALISATIONS for user in found)


def norms_behind(context: EditContext, layer: LayerCall) -> frozenset[int]:
    """Ids of the normalisations next behind a layer or its activation."""
    found = (norms_next(context, node, UP_TO_NORM) for node in layer.last)
    return frozenset(norm.id for norms in found for norm in norms)


def norms_next(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The normalisations next behind a node."""
    return [found for found in behind(context, node, passing) if found.op in NORMALISATIONS]


def reads_product(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer reads a product of matrices, as the projection behind an attention does."""
    return any(found.op in PRODUCTS for node in layer.main for found in before(context, node, PASSING))


def runs_again(layer: LayerCall) -> bool:
    """Whether a layer runs more than once, which would mix the running statistics of a norm behind it."""
    runs = [(node.layer, node.op) for node in layer.main]
    return len(set(runs)) < len(runs)


def same(node: Node) -> bool:
    """Whether a node keeps the shape of its input."""
    return node.input_shape == node.output_shape and len(node.inputs) >= 1


def dimensions(layer: LayerCall) -> int | None:
    """2 behind a convolution of feature maps, 0 behind a dense layer of plain vectors, otherwise None."""
    ranks = {len(node.output_shape) - 1 for node in layer.main}
    rank = ranks.pop() if len(ranks) == 1 else None
    dense = layer.kind.role == "dense"
    return rank if rank == (0 if dense else 2) else None


def is_depthwise(layer: LayerCall) -> bool:
    """Whether a layer is the depthwise half of a separable convolution; the other half belongs behind it."""
    return any(node.op is Operation.DEPTHWISE_CONV for node in layer.main)


def has_one_pixel(layer: LayerCall) -> bool:
    """Whether a layer gives single values: feature maps of one pixel, as in a gate, or plain vectors."""
    return all(math.prod(node.output_shape[1:]) == 1 for node in layer.main)


def is_thin(layer: LayerCall) -> bool:
    """Whether a layer gives feature maps with a side of one pixel, where most of a kernel meets padding."""
    return all(1 in node.output_shape[1:] for node in layer.main)
