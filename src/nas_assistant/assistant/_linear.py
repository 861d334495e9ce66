"""Layers one behind the other that are one linear map together."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.errors import Failure, FailureKind
from nas_assistant.graphs import NORMALISATIONS, ComputationalGraph, Node, Operation

_MAPS = frozenset({Operation.CONV, Operation.CONV_TRANSPOSE, Operation.DENSE, Operation.DEPTHWISE_CONV})
_PASSING = NORMALISATIONS | {Operation.DROPOUT, Operation.IDENTITY, Operation.PAD}


def linear_failure(graph: ComputationalGraph, original: ComputationalGraph) -> Failure | None:
    """Why a candidate has layers for nothing, or None.

    A layer may be fed by a linear one where the user's own network has such a layer that is.
    """
    known = {(second.op, second.kernel) for _, second in _pairs(original)}
    found, before = (list(filter(_is_redundant, _pairs(one))) for one in (graph, original))
    if len(found) <= len(before):
        return None
    for first, second in found:
        if (second.op, second.kernel) not in known:
            told = " and ".join(node.layer or node.op.value for node in (first, second))
            message = f"{told} are one linear map together: there is no activation in between"
            return Failure(FailureKind.CONSTRAINT, message, second.created.line if second.created else None)
    return None


def _pairs(graph: ComputationalGraph) -> Iterator[tuple[Node, Node]]:
    """Linear layers behind the one that feeds them, but for the halves of separable convolutions."""
    for second in graph:
        if second.op not in _MAPS or not second.inputs:
            continue
        first = graph.nodes[second.inputs[0]]
        while first.op in _PASSING and first.inputs:
            first = graph.nodes[first.inputs[0]]
        pointwise = second.op is Operation.CONV and set(second.kernel or ()) == {1}
        if first.op in _MAPS and not (first.op is Operation.DEPTHWISE_CONV and pointwise):
            yield first, second


def _is_redundant(pair: tuple[Node, Node]) -> bool:
    """Whether no bottleneck between two layers keeps them from being any linear map."""
    first, second = pair
    ends = (_width(first, first.input_shape), _width(second, second.output_shape))
    return _width(first, first.output_shape) >= min(ends)


def _width(node: Node, shape: tuple[int, ...]) -> int:
    return shape[-1 if node.op is Operation.DENSE else 0] if shape else 0
