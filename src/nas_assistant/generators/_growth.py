"""How many parameters an edit is likely to add."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_assistant.graphs import ComputationalGraph, Operation

if TYPE_CHECKING:
    from nas_assistant.edits import Change

_BLOCK_WEIGHTS = {"conv-bn": 9.0, "separable": 1.0, "dense": 1.0}


def growth(graph: ComputationalGraph, change: Change) -> float:
    """A rough upper estimate of the parameters that an edit adds; 0 or less where it adds none.

    It spares candidates that are certain to break a limit; the limit itself is checked on the real model.
    """
    edit = change.edit
    nodes = [graph.nodes[node] for node in change.relevant]
    own = sum(node.parameters for node in nodes)
    before, after = edit.arguments.get("from"), edit.arguments.get("to")
    if edit.operation in ("widen", "narrow", "scale_width"):
        if not isinstance(before, int) or not isinstance(after, int) or not before:
            return 0.0
        return (after / before - 1) * own
    if edit.operation == "add_norm":
        return sum(2.0 * node.output_shape[0] for node in nodes if node.output_shape)
    if edit.operation == "insert_block":
        factor = _BLOCK_WEIGHTS.get(str(edit.arguments.get("block")), 1.0)
        return sum(factor * node.output_shape[0] ** 2 for node in nodes if node.output_shape)
    if edit.operation in ("repeat_layer", "repeat_entry"):
        return float(own)
    if edit.operation == "change_kernel" and isinstance(before, str) and isinstance(after, str):
        old, new = int(before.partition("x")[0]), int(after.partition("x")[0])
        return (new**2 / old**2 - 1) * own
    if edit.operation == "swap_conv" and any(node.op is Operation.CONV for node in nodes):
        return -float(own) / 2
    return 0.0
