"""A change of a later network is told with the name that its layer has in the user's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.helpers import read_edit
from nas_assistant.assistant._changes import changes_left
from nas_assistant.assistant._layer_names import LayerNames
from nas_assistant.edits import Edit
from nas_assistant.graphs import ComputationalGraph, Location, Operation, RegularNode

FILE = """\
a = Seq(
    Conv(8),
    Conv(16), ReLU(),
    Pool(),
)
b = [Dense(8) for _ in range(2)]
"""
PLACES = {(2, 4): ["a.0"], (3, 4): ["a.1"], (3, 14): ["a.2"], (4, 4): ["a.3"], (6, 5): ["b.0", "b.1"]}


@pytest.fixture
def names() -> LayerNames:
    """Of the model of :data:`FILE`, and of a layer of another file."""
    placed = [(name, Location("model.py", *place)) for place, found in PLACES.items() for name in found]
    placed.append(("c", Location("other.py", 4)))
    nodes = [
        RegularNode(id=index, op=Operation.CONV, layer=name, created=place)
        for index, (name, place) in enumerate(placed)
    ]
    return LayerNames.of(ComputationalGraph(tuple(nodes)), Path("model.py"))


def test_a_layer_that_moved_on_has_its_own_name(names: LayerNames) -> None:
    first = FILE.replace("    Conv(8),\n", "    Conv(8),\n    Norm(),\n")
    second = first.replace("Pool()", "Mean()").replace("Dense(8)", "Dense(9)")
    steps = [
        (FILE, ("add norm a.0 (line 2): helps",)),
        (first, ("swap pool a.4 (line 5): max", "widen b.1 (line 7): 8 -> 9")),
    ]
    edits = [(source, list(map(read_edit, told))) for source, told in steps]
    told = ("add norm a.0 (line 2): helps", "swap pool a.3 (line 4): max", "widen b.1 (line 6): 8 -> 9")
    assert changes_left(edits, second, names) == told


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("dense_3", 6, "b.0"),
        ("a.2", 3, ""),
        ("a.3", 0, ""),
        ("a.9", 0, "a.9"),
        ("a.9", 5, "a.9"),
    ],
)
def test_a_name_that_is_not_sure_is_left_out(names: LayerNames, name: str, line: int, shown: str) -> None:
    edit = Edit("add_norm", name, 9)
    assert names.rename(edit, line) == replace(edit, layer=shown)
    # The label of a change all over the file is no layer of this line.
    label = Edit("scale_width", name, 9)
    assert names.rename(label, line) == label
