"""A layer less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._around import is_depthwise, only_user
from nas_assistant.edits.operations._drop import drop_sites
from nas_assistant.edits.operations._ends import scales
from nas_assistant.edits.operations._fresh import HIDDEN
from nas_assistant.edits.operations._linear import keeps_apart
from nas_assistant.edits.operations._text import same_by_name
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation

_ROLES = ("conv", "depthwise", "separable", "dense", "activation", "pool")


class RemoveLayer(BaseEditOperation):
    """Takes out a convolution, dense layer, activation or pool that keeps the shape of its input."""

    name = "remove_layer"
    summary = "take out a layer that keeps its input's shape"
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes, but for those that keep two linear layers apart.

        Nor is a depthwise convolution taken away from the pointwise one behind it. The normalisation and the
        activation behind a layer go with it where the layer before it has its own.
        """
        yield from drop_sites(
            self, context, lambda layer: _fits(context, layer), behind=lambda layer: _twice(context, layer)
        )


def _fits(context: EditContext, layer: LayerCall) -> bool:
    if layer.kind.role not in _ROLES or layer.kind.name == "Identity":
        return False
    if not same_by_name(context, layer) or is_depthwise(layer):
        return False  # what a depthwise convolution is paired with sees one pixel at a time
    apart = (node for node in layer.nodes if node.op in ACTIVATIONS or node.op is Operation.MAX_POOL)
    return layer.main != layer.nodes or not any(
        keeps_apart(context, node) or scales(context, node) for node in apart
    )


def _twice(context: EditContext, layer: LayerCall) -> list[LayerCall] | None:
    """The norm and activation behind a layer that would repeat those before it; None where one has to stay.

    Only what would be a repetition wherever the layer runs.
    """
    ids = {node.id for node in layer.nodes}
    firsts = [node for node in layer.nodes if not ids.intersection(node.inputs)]
    lasts = [node for node in layer.nodes if not ids.intersection(context.users.get(node.id, ()))]
    if len(firsts) != len(lasts):
        return []
    runs = [_repetitions(context, first, last) for first, last in zip(firsts, lasts, strict=True)]
    found = []
    for nodes in zip(*runs, strict=False):
        made = context.made_by.get(nodes[0].id)
        if made is None or made.nodes != nodes:
            return None
        found.append(made)
    return found


def _repetitions(context: EditContext, first: Node, last: Node) -> Iterator[Node]:
    """The nodes in a row behind a layer, as long as one of their sort stands in a row before it."""
    before, node = set[str](), context.graph.nodes[first.inputs[0]]
    while (sort := _sort(node)) is not None:
        before.add(sort)
        node = context.graph.nodes[node.inputs[0]]
    behind = only_user(context, last)
    while behind is not None and _sort(behind) in before - {""} and not scales(context, behind):
        yield behind
        behind = only_user(context, behind)


def _sort(node: Node) -> str | None:
    """``norm`` or ``activation``; an empty string for what leaves training aside, None for the rest."""
    if node.op in NORMALISATIONS:
        return "norm"
    if node.op in HIDDEN:
        return "activation"
    return "" if node.op in (Operation.DROPOUT, Operation.IDENTITY) else None
