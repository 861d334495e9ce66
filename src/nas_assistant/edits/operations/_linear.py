"""Layers that would be one linear map together: more parameters, and nothing more that they can express."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from nas_assistant.edits._context import EditContext
from nas_assistant.graphs import NORMALISATIONS, Node, Operation

_MAPS = frozenset({Operation.CONV, Operation.CONV_TRANSPOSE, Operation.DENSE})
_PASSING = NORMALISATIONS | {
    Operation.ADD,
    Operation.AVG_POOL,
    Operation.CONCAT,
    Operation.DEPTHWISE_CONV,
    Operation.DROPOUT,
    Operation.GLOBAL_AVG_POOL,
    Operation.IDENTITY,
    Operation.MEAN,
    Operation.PAD,
    Operation.RESHAPE,
    Operation.TRANSPOSE,
}


def keeps_apart(context: EditContext, node: Node) -> bool:
    """Whether a node alone keeps a layer before it and one behind it from being one linear map.

    Args:
        context: The source and its graph.
        node: Nonlinear, such as an activation or a max pool.
    """
    # A depthwise convolution and the pointwise one behind it are one layer by design.
    return _reaches(context, node, _MAPS, lambda found: found.inputs) and _reaches(
        context,
        node,
        _MAPS | {Operation.DEPTHWISE_CONV},
        lambda found: context.users.get(found.id, []),
    )


def _reaches(
    context: EditContext, node: Node, maps: Set[Operation], ways: Callable[[Node], Iterable[int]]
) -> bool:
    waiting, seen = list(ways(node)), set[int]()
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        found = context.graph.nodes[number]
        if found.op in maps:
            return True
        if found.op in _PASSING:
            waiting.extend(ways(found))
    return False
