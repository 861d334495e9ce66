"""A dropout less."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits.operations._drop import drop_sites


class DropDropout(BaseEditOperation):
    """Takes a dropout layer out whose rate is written there; any other is a setting of the user's."""

    name = "drop_dropout"
    summary = "take a dropout layer out"
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Dropout layers with a number for their rate, or none."""
        yield from drop_sites(self, context, _fits)


def _fits(layer: LayerCall) -> bool:
    rate = layer.arguments.get(layer.kind.parameters[0]) if layer.kind.role == "dropout" else None
    return layer.kind.role == "dropout" and (rate is None or isinstance(rate.value, cst.Float | cst.Integer))
