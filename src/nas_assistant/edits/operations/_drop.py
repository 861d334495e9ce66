"""What taking layers away shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import take_away
from nas_assistant.edits._replace import Replacement, overlap
from nas_assistant.edits.operations._text import is_output, same
from nas_assistant.graphs import ACTIVATIONS, Node, Operation


def drop_sites(
    operation: BaseEditOperation,
    context: EditContext,
    fits: Callable[[LayerCall], bool],
    along: Callable[[LayerCall], Sequence[Replacement] | None] = lambda layer: (),
) -> Iterator[Change]:
    """Layers that keep the shape of their input and that a rule picks.

    Args:
        operation: The edit.
        context: The source and its graph.
        fits: Which layers.
        along: What has to change with a layer; None where it cannot go.
    """
    for layer in context.layers:
        if not fits(layer) or not layer.nodes or not all(same(node) for node in layer.nodes):
            continue
        if is_output(context, layer) and not all(node.op is Operation.DROPOUT for node in layer.nodes):
            continue
        if context.torch and any(_meets_in_place(context, node) for node in layer.nodes):
            continue
        replacements, more = take_away(context, layer), along(layer)
        if replacements is None or more is None:
            continue
        if any(overlap(one, other) for one in replacements for other in more):
            continue
        start = context.tree.span(layer.call)[0]
        edit = operation.edit(context, start, layer.layer, {"what": layer.nodes[0].op.value})
        yield Change(
            edit,
            (*replacements, *more),
            introduces=frozenset({Operation.IDENTITY.value}) if replacements[0].text else frozenset(),
            relevant=tuple(node.id for node in layer.nodes),
        )


def _meets_in_place(context: EditContext, node: Node) -> bool:
    """Whether an activation would work on a tensor that others still need, if it works in place."""
    source = context.graph.nodes[node.inputs[0]]
    shared = len(context.users.get(source.id, [])) > 1 or source.op in ACTIVATIONS
    return shared and any(
        context.graph.nodes[user].op in ACTIVATIONS for user in context.users.get(node.id, [])
    )
