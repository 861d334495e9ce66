"""A layer less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._drop import drop_sites

_ROLES = ("conv", "depthwise", "separable", "dense", "activation", "pool")


class RemoveLayer(BaseEditOperation):
    """Takes out a convolution, dense layer, activation or pool that keeps the shape of its input."""

    name = "remove_layer"
    summary = "take out a layer that keeps its input's shape"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes."""
        yield from drop_sites(self, context, lambda layer: _fits(layer))


def _fits(layer: LayerCall) -> bool:
    return layer.kind.role in _ROLES and layer.kind.name != "Identity"
