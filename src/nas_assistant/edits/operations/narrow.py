"""Fewer channels for a layer and for everything that has to follow."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._growth import Growth
from nas_assistant.edits.operations._width import width_growth, width_sites
from nas_assistant.graphs import ComputationalGraph


class Narrow(BaseEditOperation):
    """Gives a channel group three quarters or half of its channels."""

    name = "narrow"
    summary = "fewer channels in a layer; the layers around it follow"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Every channel group whose number is written in the source."""
        yield from width_sites(self, context, (0.75, 0.5))

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The layers themselves, and all that reads their channels."""
        return width_growth(graph, change)
