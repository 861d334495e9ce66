"""What the layers of the user's file are called, where a change of a later network is told by its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nas_assistant.edits import Edit, operation_of
from nas_assistant.graphs import ComputationalGraph, Location
from nas_assistant.relevance import layers_of


def is_labelled(edit: Edit) -> bool:
    """Whether an edit has the label of a place in the stead of a layer's name."""
    operation = operation_of(edit)
    return operation is not None and operation.labelled


class LayerNames:
    """The layers of a network by the lines that create them, or call them when they have no constructor.

    Args:
        places: The names of the layers of each place of one file, in the order of the network.
    """

    def __init__(self, places: Mapping[Location, list[str]]) -> None:
        self._lines: dict[int, list[list[str]]] = defaultdict(list)
        for place, names in places.items():
            self._lines[place.line].append(names)
        self._all = {name for names in places.values() for name in names}

    @classmethod
    def of(cls, graph: ComputationalGraph, path: Path) -> LayerNames:
        """Those of a file.

        Args:
            graph: Of the model as it stands there.
            path: The file.
        """
        places: dict[Location, list[str]] = defaultdict(list)
        for layer in layers_of(graph):
            if layer.place is not None and layer.name and Path(layer.place.file).resolve() == path.resolve():
                places[layer.place].append(layer.name)
        return cls(places)

    def rename(self, edit: Edit, line: int) -> Edit:
        """An edit of a later network with the name that its layer has in this one.

        The name is left out where several are on the line, or where another layer has it here. Where one
        constructor makes several layers, it is that of the first, as edits have it.

        Args:
            edit: The edit.
            line: Its line in this file; 0 where it has none of its own.
        """
        return edit if is_labelled(edit) else replace(edit, layer=self._name(edit.layer, line))

    def _name(self, name: str, line: int) -> str:
        if not line:
            return "" if name in self._all else name
        here = self._lines.get(line, [])
        if not here:
            return name
        if len(here) > 1 and len({one for names in here for one in names}) > 1:
            return ""
        inside = any(f"{name}.".startswith(f"{one}.") for one in here[0])
        return name if inside else here[0][0]
