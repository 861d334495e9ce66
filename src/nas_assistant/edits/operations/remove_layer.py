"""A layer less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._drop import drop_sites
from nas_assistant.edits.operations._linear import keeps_apart
from nas_assistant.edits.operations._text import is_depthwise, same_by_name, scales
from nas_assistant.graphs import ACTIVATIONS, Operation

_ROLES = ("conv", "depthwise", "separable", "dense", "activation", "pool")


class RemoveLayer(BaseEditOperation):
    """Takes out a convolution, dense layer, activation or pool that keeps the shape of its input."""

    name = "remove_layer"
    summary = "take out a layer that keeps its input's shape"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes, but for those that keep two linear layers apart.

        Nor is a depthwise convolution taken away from the pointwise one behind it.
        """
        yield from drop_sites(self, context, lambda layer: _fits(context, layer))


def _fits(context: EditContext, layer: LayerCall) -> bool:
    if layer.kind.role not in _ROLES or layer.kind.name == "Identity":
        return False
    if not same_by_name(context, layer) or is_depthwise(layer):
        return False  # what a depthwise convolution is paired with sees one pixel at a time
    apart = (node for node in layer.nodes if node.op in ACTIVATIONS or node.op is Operation.MAX_POOL)
    return layer.main != layer.nodes or not any(
        keeps_apart(context, node) or scales(context, node) for node in apart
    )
