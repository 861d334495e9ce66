"""Dropout behind a layer."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._places import put_behind
from nas_assistant.edits.operations._text import is_output, makes_output, only_user
from nas_assistant.graphs import ACTIVATIONS, Operation

_RATES = {0: 0.3, 2: 0.1}


class AddDropout(BaseEditOperation):
    """Adds dropout behind an activation, a dense layer or a pool."""

    name = "add_dropout"
    summary = "dropout behind a layer"
    grows = 1

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Activations, hidden dense layers and pools that no dropout follows."""
        for layer in context.layers:
            if layer.kind.role not in ("activation", "dense", "pool") or is_output(context, layer):
                continue
            ranks = {len(node.output_shape) - 1 for node in layer.last}
            rank = ranks.pop() if len(ranks) == 1 else None
            if rank not in _RATES or any(makes_output(context, node) for node in layer.last):
                continue
            followers = [only_user(context, node) for node in layer.last]
            if any(item is not None and item.op is Operation.DROPOUT for item in followers):
                continue
            if layer.kind.role == "dense" and any(item and item.op in ACTIVATIONS for item in followers):
                continue
            if any(node.op in (Operation.SIGMOID, Operation.SOFTMAX) for node in layer.last):
                continue
            spatial = {True: "Dropout2d", False: "SpatialDropout2D"}[context.torch]
            name, imports = context.imports.name(spatial if rank == 2 else "Dropout")
            placed = put_behind(context, layer, [f"{name}({_RATES[rank]})"])
            if placed is None:
                continue
            start = context.tree.span(layer.call)[0]
            edit = self.edit(context, start, layer.layer, {"rate": _RATES[rank], "what": "behind it"})
            yield Change(
                edit,
                (*placed, *imports),
                introduces=frozenset({Operation.DROPOUT.value}),
                relevant=tuple(node.id for node in layer.nodes),
            )
