"""What taking layers away shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import take_away
from nas_assistant.edits.operations._text import is_output, same
from nas_assistant.graphs import Operation


def drop_sites(
    operation: BaseEditOperation,
    context: EditContext,
    fits: Callable[[LayerCall], bool],
) -> Iterator[Change]:
    """Layers that keep the shape of their input and that a rule picks."""
    for layer in context.layers:
        if not fits(layer) or not layer.nodes or not all(same(node) for node in layer.nodes):
            continue
        if is_output(context, layer) and not all(node.op is Operation.DROPOUT for node in layer.nodes):
            continue
        replacements = take_away(context, layer)
        if replacements is None:
            continue
        start = context.tree.span(layer.call)[0]
        edit = operation.edit(context, start, layer.layer, {"what": layer.nodes[0].op.value})
        yield Change(
            edit,
            tuple(replacements),
            introduces=frozenset({Operation.IDENTITY.value}) if replacements[0].text else frozenset(),
            relevant=tuple(node.id for node in layer.nodes),
        )
