"""A normalisation less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import without_item
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits.operations._drop import drop_sites


class DropNorm(BaseEditOperation):
    """Takes a normalisation layer out; a layer that left its bias to the normalisation gets it back."""

    name = "drop_norm"
    summary = "take a normalisation layer out"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Every normalisation layer."""
        yield from drop_sites(
            self, context, lambda layer: layer.kind.role == "norm", lambda layer: _biases(context, layer)
        )


def _biases(context: EditContext, layer: LayerCall) -> list[Replacement] | None:
    """Give the layers before a normalisation their bias back; None where others read them too."""
    ids = {node.id for node in layer.nodes}
    read = [node.inputs[0] for node in layer.nodes]
    found = []
    for before in {id(made): made for made in map(context.made_by.get, read) if made is not None}.values():
        bias = before.arguments.get("bias" if context.torch else "use_bias")
        if bias is None or context.tree.code(bias.value) != "False":
            continue
        readers = {user for node in before.last for user in context.users.get(node.id, [])}
        gone = without_item(context, bias)
        if gone is None or bias.keyword is None or not readers <= ids:
            return None
        found.append(gone)
    return found
