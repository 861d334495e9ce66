"""A layer less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._drop import drop_sites
from nas_assistant.edits.operations._linear import keeps_apart
from nas_assistant.graphs import ACTIVATIONS, Operation

_ROLES = ("conv", "depthwise", "separable", "dense", "activation", "pool")


class RemoveLayer(BaseEditOperation):
    """Takes out a convolution, dense layer, activation or pool that keeps the shape of its input."""

    name = "remove_layer"
    summary = "take out a layer that keeps its input's shape"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes, but for those that keep two linear layers apart."""
        yield from drop_sites(self, context, lambda layer: _fits(context, layer))


def _fits(context: EditContext, layer: LayerCall) -> bool:
    if layer.kind.role not in _ROLES or layer.kind.name == "Identity":
        return False
    if not _same_by_name(context, layer):
        return False
    apart = (node for node in layer.nodes if node.op in ACTIVATIONS or node.op is Operation.MAX_POOL)
    return layer.main != layer.nodes or not any(keeps_apart(context, node) for node in apart)


def _same_by_name(context: EditContext, layer: LayerCall) -> bool:
    """Whether what is read and what is given are written alike, and so are equal for any arguments."""
    written = [layer.arguments[n] for n in (*layer.kind.follows, layer.kind.produces) if n in layer.arguments]
    return len({context.tree.code(argument.value) for argument in written}) < 2
