"""What taking layers away shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import take_away
from nas_assistant.edits._replace import Replacement, overlap
from nas_assistant.edits._tables import in_table
from nas_assistant.edits.operations._around import same
from nas_assistant.edits.operations._ends import is_output
from nas_assistant.edits.operations._idle import is_idle
from nas_assistant.graphs import ACTIVATIONS, Node, Operation


def drop_sites(
    operation: BaseEditOperation,
    context: EditContext,
    fits: Callable[[LayerCall], bool],
    along: Callable[[LayerCall], Sequence[Replacement] | None] = lambda layer: (),
    behind: Callable[[LayerCall], Sequence[LayerCall] | None] = lambda layer: (),
) -> Iterator[Change]:
    """Layers that keep the shape of their input, but do something to it, and that a rule picks.

    Not those that a name tells of, which would be wrong then: a table's key, or that of the class.

    Args:
        operation: The edit.
        context: The source and its graph.
        fits: Which layers.
        along: What has to change with a layer; None where it cannot go.
        behind: The layers next behind a layer that go with it; None where one of them cannot.
    """
    for layer in context.layers:
        if not fits(layer) or not layer.nodes or not all(same(node) for node in layer.nodes):
            continue
        if is_idle(layer):
            continue
        if is_output(context, layer) and not all(node.op is Operation.DROPOUT for node in layer.nodes):
            continue
        rest, more = behind(layer), along(layer)
        if rest is None or more is None:
            continue
        gone = (layer, *rest)
        if any(_names_class(context, one) or in_table(context, one.call) for one in gone):
            continue
        apart = _kept_apart(context, layer, gone[-1]) if context.torch else []
        if apart is None:
            continue
        more = (*more, *apart)
        replacements = take_away(context, *gone)
        if replacements is None or any(overlap(one, other) for one in replacements for other in more):
            continue
        start = context.tree.span(layer.call)[0]
        what = ", ".join(one.nodes[0].op.value for one in gone)
        edit = operation.edit(context, start, layer.layer, {"what": what})
        identity = any(item.text for item in replacements)
        nodes = tuple(node.id for one in gone for node in one.nodes)
        yield Change(
            edit,
            (*replacements, *more),
            introduces=frozenset({Operation.IDENTITY.value}) if identity else frozenset(),
            relevant=nodes,
            drops=frozenset(nodes),
        )


def _names_class(context: EditContext, layer: LayerCall) -> bool:
    """Whether the name of the class around an activation tells of it, as ``ConvBNReLU`` does."""
    around = context.tree.enclosing(layer.call, cst.ClassDef)
    if layer.kind.role != "activation" or not isinstance(around, cst.ClassDef):
        return False
    return layer.kind.name.rstrip("0123456789").lower() in around.name.value.lower()


def _kept_apart(context: EditContext, first: LayerCall, last: LayerCall) -> list[Replacement] | None:
    """What keeps others from working in place on a tensor that is still needed; None where it cannot be kept.

    Activations may work in place, unknown to the graph. A sum that does, ``y += x``, becomes ``y = y + x``.
    """
    found: list[Replacement] = []
    for one, other in zip(first.nodes, last.nodes, strict=False):
        source = context.graph.nodes[one.inputs[0]]
        if len(context.users.get(source.id, [])) < 2 and source.op not in ACTIVATIONS:
            continue
        for user in (context.graph.nodes[number] for number in context.users.get(other.id, [])):
            total = _sum_in_place(context, user) if user.inputs[0] == other.id else None
            if user.op in ACTIVATIONS or (total and not _is_plain(total)):
                return None
            if total:
                between = context.tree.span(total.target)[1], context.tree.span(total.value)[0]
                found.append(Replacement(*between, f" = {context.tree.code(total.target)} + "))
    return list(dict.fromkeys(found))


def _sum_in_place(context: EditContext, node: Node) -> cst.AugAssign | None:
    """The statement ``y += x`` that a node is."""
    if node.op is not Operation.ADD or node.call is None or node.call.file != context.file:
        return None
    place = (node.call.line, node.call.column)
    for item in context.tree.nodes(cst.AugAssign):
        if isinstance(item, cst.AugAssign) and context.tree.place(context.tree.span(item)[0]) == place:
            return item
    return None


def _is_plain(total: cst.AugAssign) -> bool:
    """Whether ``y += x`` can be written as ``y = y + x``."""
    plain = isinstance(total.value, cst.Name | cst.Call) and not total.value.lpar
    return plain and isinstance(total.operator, cst.AddAssign)
