"""What the layers of the user's file are called, where a change of a later network is told by its lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from nas_assistant.edits import list_operations
from nas_assistant.graphs import ComputationalGraph, Location
from nas_assistant.relevance import layers_of

_OTHERS = {"change_repeats", "scale_width"}  # of these, the label is no layer that is made on the line
_PLACE = re.compile(r"line (\d+)")


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
        operations = "|".join(re.escape(name.replace("_", " ")) for name in {*list_operations()} - _OTHERS)
        self._told = re.compile(rf"((?:{operations}) )(\S+ )(?=\(line \d+\))")

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

    def rename(self, text: str, where: str) -> str:
        """A change to a later network with the name that its layer has in this one.

        The name is left out where several are on the line, or where another layer has it here. Where one
        constructor makes several layers, it is that of the first, as edits have it.

        Args:
            text: As :meth:`nas_assistant.edits.Edit.describe` begins.
            where: Its place in the file, in words.
        """
        found = self._told.match(text)
        return found[1] + self._name(found[2].strip(), where) + text[found.end() :] if found else text

    def _name(self, name: str, where: str) -> str:
        place = _PLACE.fullmatch(where)
        if place is None:  # put in, or of several lines
            return "" if name in self._all else f"{name} "
        here = self._lines.get(int(place[1]), [])
        if not here:
            return f"{name} "
        if len(here) > 1 and len({one for names in here for one in names}) > 1:
            return ""
        inside = any(f"{name}.".startswith(f"{one}.") for one in here[0])
        return f"{name if inside else here[0][0]} "
