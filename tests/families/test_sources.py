"""The source that a family writes is its network, and is read back as it."""

from __future__ import annotations

import random

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.graphs import ComputationalGraph

FAMILIES = ("nb101", "nb201", "nb301")


def built(source):
    names = {"__name__": "source"}
    exec(compile(source, "source.py", "exec"), names)
    with torch.device("meta"):
        example = torch.empty(2, 3, 32, 32)
        return ComputationalGraph.from_torch(names["Network"](), example, method="trace")


def encodings(name, count):
    rng = random.Random(1)
    found = (get_family(name).sample(rng) for _ in range(10 * count))
    # A network of NAS-Bench-201 without a path is constant: it has no cells to read.
    return [one for one in found if name != "nb201" or one.live_edges()][:count]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_source_gives_the_network_of_its_encoding(name):
    family = get_family(name)
    for encoding in encodings(name, 3):
        source = family.source(encoding)
        assert max(map(len, source.splitlines())) <= 110
        assert built(source).is_isomorphic(family.graph(encoding))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_is_read_back(name):
    family = get_family(name)
    for encoding in encodings(name, 4):
        found = family.recognise(family.graph(encoding))
        assert {family.identity(one) for one in found} == {family.identity(encoding)}


# Three shares of 128 channels are unequal, and a vertex that feeds several is cut for the narrower ones.
@pytest.mark.parametrize(
    "text",
    [
        "2 1 -",
        "3 111 2",
        "7 110000101001001001101 02121",
        "5 1101110011 012",
        "7 100011100001000110101 02010",
    ],
)
def test_particular_cells_of_nb101(text):
    family = get_family("nb101")
    cell = family.parse(text)
    graph = built(family.source(cell))
    assert graph.is_isomorphic(family.graph(cell))
    assert [family.identity(one) for one in family.recognise(graph)] == [family.identity(cell)]


def test_a_cell_without_a_path_is_a_network_of_its_own():
    family = get_family("nb201")
    empty = family.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert built(family.source(empty)).is_isomorphic(family.graph(empty))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nb101", "= Conv3x3(", "= MaxPool3x3("),
        ("nb201", "= Conv3x3(", "= Skip("),
        ("nb301", "= SepConv3x3(channels, stride=1)", "= Skip(channels, stride=1)"),
        ("nb301", "= SepConv3x3(channels, stride=2)", "= Skip(channels, stride=2)"),
    ],
)
def test_a_block_for_another_stays_in_the_family(name, old, new):
    family = get_family(name)
    rng = random.Random(5)
    source = ""
    while old not in source:
        encoding = family.sample(rng)
        source = family.source(encoding)
    graph = built(source.replace(old, new, 1))
    found = family.recognise(graph)
    assert any(family.graph(one).hash == graph.hash for one in found)
    assert family.identity(found[0]) != family.identity(encoding)


def test_what_leaves_the_family_is_not_its_network():
    family = get_family("nb101")
    cell = family.parse("3 111 0")
    graph = built(family.source(cell).replace("Cell(128, 256)", "nn.Conv2d(128, 256, 3, padding=1)"))
    assert not any(family.graph(one).hash == graph.hash for one in family.recognise(graph))
    graph = built(family.source(cell).replace("nn.ReLU(),", "nn.GELU(),"))
    assert family.recognise(graph) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_a_neighbour_is_another_valid_network(name):
    family, rng = get_family(name), random.Random(2)
    for encoding in encodings(name, 20):
        other = family.neighbour(encoding, rng)
        assert other != encoding
        assert family.parse(family.format(other)) == other
        family.identity(other)


@pytest.mark.parametrize("name", FAMILIES)
def test_traits_are_of_the_network_and_not_of_its_encoding(name):
    family = get_family(name)
    by_identity = {}
    for encoding in encodings(name, 100):
        traits = sorted(family.traits(encoding))
        assert by_identity.setdefault(family.identity(encoding), traits) == traits


def test_a_family_without_source_says_which_have_one():
    family = get_family("hiaml")
    encoding = family.sample(random.Random(0))
    with pytest.raises(UserError, match="use nb101, nb201 or nb301"):
        family.source(encoding)
