from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families.nb101 import MAX_EDGES, Cell, CellModule, prune

from .conftest import build_meta, graph, parameters

CHECKS = [
    (2, "1", "-", 882_570),
    (3, "111", "1", 2_793_866),
    (7, "100110100001001010101", "02001", 8_555_530),
    (7, "100011100001000110101", "02010", 31_552_906),
    (7, "110101001001000100101", "00000", 49_979_274),
    (7, "100000101011001001101", "22222", 227_274),
]
STAGES = [(128, 128)] * 3 + [(128, 256)] + [(256, 256)] * 2 + [(256, 512)] + [(512, 512)] * 2


def parameters_by_formula(cell):
    """The closed formula, written down apart from the modules."""
    total, last = 3_712 + 5_130, cell.vertices - 1
    for inputs, outputs in STAGES:
        widths = cell.channels(inputs, outputs)
        for vertex in range(1, last):
            if (0, vertex) in cell.edges:
                total += inputs * widths[vertex] + 2 * widths[vertex]
            kernel = (3, 1, 0)[cell.operations[vertex - 1]]
            total += kernel**2 * widths[vertex] ** 2 + (2 * widths[vertex] if kernel else 0)
        total += inputs * outputs + 2 * outputs if (0, last) in cell.edges else 0
    return total


@pytest.mark.parametrize(("vertices", "bits", "digits", "expected"), CHECKS)
def test_published_parameters(vertices, bits, digits, expected):
    cell = Cell.parse(vertices, bits, digits)
    module = build_meta(get_family("nb101"), cell)
    assert parameters(module) == parameters_by_formula(cell) == expected
    assert graph(module).parameters == expected


def test_macs_of_a_public_graph():
    cell = Cell.parse(7, "110001010100010100101", "00200")
    assert cell.fingerprint() == "4f9e65c61eb5e484d9eb6fe869f627e0"
    read = graph(build_meta(get_family("nb101"), cell))
    assert (read.parameters, read.macs) == (39_810_442, 5_842_015_232)


@pytest.mark.parametrize(
    ("bits", "digits", "fingerprint"),
    [
        ("100110100001001010101", "02001", "00005c142e6f48ac74fdcf73e3439874"),
        ("100011100001000110101", "02010", "096f593e0f12d65f6220bf8565b764a9"),
    ],
)
def test_published_fingerprints(bits, digits, fingerprint):
    assert Cell.parse(7, bits, digits).fingerprint() == fingerprint


@pytest.mark.labels
def test_every_row_fits_its_hash_and_its_parameters(labels):
    networks = random.Random(0).sample(labels("nb101"), 1_000)
    for network in networks:
        assert network.encoding.fingerprint() == network.key
        assert parameters_by_formula(network.encoding) == network.metadata["trainable_parameters"], (
            network.key
        )
    for network in networks[:40]:
        module = build_meta(get_family("nb101"), network.encoding)
        assert parameters(module) == network.metadata["trainable_parameters"], network.key


def test_fingerprint_ignores_the_order_of_vertices():
    one = Cell(4, frozenset({(0, 1), (0, 2), (1, 3), (2, 3)}), (0, 2))
    two = Cell(4, frozenset({(0, 1), (0, 2), (1, 3), (2, 3)}), (2, 0))
    other = Cell(4, frozenset({(0, 1), (0, 2), (1, 3), (2, 3)}), (0, 1))
    assert one.fingerprint() == two.fingerprint() != other.fingerprint()


def test_pruning():
    # Vertex 2 is not reached, vertex 3 leads nowhere.
    cell = Cell(5, frozenset({(0, 1), (0, 3), (1, 4), (2, 4)}), (1, 0, 2))
    assert prune(cell) == Cell(3, frozenset({(0, 1), (1, 2)}), (1,))
    assert prune(Cell(3, frozenset({(0, 1)}), (1,))) is None


def test_samples_are_valid():
    rng = random.Random(0)
    for _ in range(50):
        cell = get_family("nb101").sample(rng)
        assert prune(cell) == cell
        assert 1 <= len(cell.edges) <= MAX_EDGES


def test_channels_are_shared_out_and_never_grow_along_an_edge():
    cell = Cell.parse(7, "100110100001001010101", "02001")
    widths = cell.channels(128, 512)
    final = [vertex for vertex in cell.sources(6) if vertex]
    assert sum(widths[vertex] for vertex in final) == 512
    assert all(widths[a] >= widths[b] for a, b in cell.edges if a and b != 6)


def test_cell_computes_what_its_graph_says():
    # Vertex 1 pools the projected input and feeds vertex 2 and the output; the input feeds the output too.
    cell = Cell(4, frozenset({(0, 1), (1, 2), (1, 3), (2, 3), (0, 3)}), (2, 2))
    torch.manual_seed(0)
    module = CellModule(cell, 3, 5).eval()
    pool = nn.MaxPool2d(3, 1, 1)
    x = torch.randn(2, 3, 8, 8)
    assert module.widths == [3, 3, 2, 5]
    with torch.no_grad():
        first = pool(module.projections["1"](x))
        expected = torch.cat([first, pool(first[:, :2])], dim=1) + module.projections["3"](x)
        assert torch.allclose(module(x), expected)


@pytest.mark.parametrize(("bits", "digits"), [("11", "0"), ("111", "00")])
def test_other_texts_are_refused(bits, digits):
    with pytest.raises(UserError, match="3 vertices has 3 bits and 1 operations"):
        Cell.parse(3, bits, digits)
