"""A normalisation less."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits.operations._drop import drop_sites


class DropNorm(BaseEditOperation):
    """Takes a normalisation layer out."""

    name = "drop_norm"
    summary = "take a normalisation layer out"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Every normalisation layer."""
        yield from drop_sites(self, context, lambda layer: layer.kind.role == "norm")
