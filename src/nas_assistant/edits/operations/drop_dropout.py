"""A dropout less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits.operations._drop import drop_sites


class DropDropout(BaseEditOperation):
    """Takes a dropout layer out."""

    name = "drop_dropout"
    summary = "take a dropout layer out"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Every dropout layer."""
        yield from drop_sites(self, context, lambda layer: layer.kind.role == "dropout")
