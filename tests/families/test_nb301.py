from __future__ import annotations

import json
import random

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families._darts import DilatedConv, FactorizedReduce, SeparableConv
from nas_assistant.families.nb301 import NB301, OPERATIONS, Genotype

from .conftest import build_meta, check_cost, parameters

SHORT = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
    "avg": "avg_pool_3x3",
    "max": "max_pool_3x3",
    "skip": "skip_connect",
}


def genotype(normal, reduce):
    cells = []
    for text in (normal, reduce):
        edges = [edge.split("@") for edge in text.split()]
        cells.append(tuple((SHORT[name], int(source)) for name, source in edges))
    return Genotype(*cells)


DARTS_V2 = genotype(
    "sep3@0 sep3@1 sep3@0 sep3@1 sep3@1 skip@0 skip@0 dil3@2",
    "max@0 max@1 skip@2 max@1 max@0 skip@2 skip@2 max@1",
)
OTHER = genotype(
    "sep5@0 dil5@1 avg@1 dil5@0 avg@2 dil3@3 sep3@2 sep3@0",
    "sep5@1 max@0 max@0 max@1 dil3@1 dil3@0 avg@0 sep3@4",
)


@pytest.mark.parametrize(
    ("encoding", "expected_parameters", "macs"),
    [(DARTS_V2, 3_349_342, 528_359_040), (OTHER, 3_262_942, 516_691_584)],
)
def test_published_costs_of_the_large_network(encoding, expected_parameters, macs):
    check_cost(NB301(channels=36, cells=20), encoding, expected_parameters, macs)


def test_network_behind_the_labels():
    family = get_family("nb301")
    module = build_meta(family, DARTS_V2)
    assert parameters(module) == 919_722
    assert [2 in operation_strides(cell) for cell in module.cells] == [index in (2, 5) for index in range(8)]


def operation_strides(cell):
    return {
        stride
        for module in cell.operations.modules()
        for stride in [getattr(module, "stride", 1)]
        for stride in ([stride[0]] if isinstance(stride, tuple) else [stride])
    }


def parameters_by_formula(encoding, channels, cells):
    """The closed formula, written down apart from the modules."""
    total = 27 * 3 * channels + 6 * channels
    before = last = 3 * channels
    width = channels
    for index in range(cells):
        reduction = index in (cells // 3, 2 * cells // 3)
        width *= 1 + reduction
        total += before * width + 2 * width + last * width + 2 * width
        for name, source in encoding.reduce if reduction else encoding.normal:
            kind, kernel = name[:3], int(name[-1]) if name[-1].isdigit() else 0
            convolution = width * kernel**2 + width**2 + 2 * width
            if kind == "sep":
                total += 2 * convolution
            elif kind == "dil":
                total += convolution
            elif kind == "ski" and reduction and source < 2:
                total += width**2 + 2 * width
        before, last = last, 4 * width
    return total + 10 * last + 10


def test_parameters_agree_with_the_formula():
    family = NB301(channels=8, cells=8)
    rng = random.Random(0)
    for _ in range(30):
        encoding = family.sample(rng)
        assert parameters(build_meta(family, encoding)) == parameters_by_formula(encoding, 8, 8)


def test_samples_have_distinct_inputs_and_every_operation():
    rng = random.Random(1)
    seen = set()
    for _ in range(50):
        sample = get_family("nb301").sample(rng)
        for edges in (sample.normal, sample.reduce):
            seen |= {name for name, _ in edges}
            assert all(edges[i][1] != edges[i + 1][1] for i in range(0, 8, 2))
    assert seen == set(OPERATIONS)


def test_canonical_form_ignores_the_order_of_edges_and_nodes():
    swapped = Genotype(tuple(DARTS_V2.normal[index ^ 1] for index in range(8)), DARTS_V2.reduce)
    assert swapped != DARTS_V2
    assert swapped.canonical() == DARTS_V2.canonical()
    # The first two nodes read the inputs only, so that they may change places.
    one = genotype("sep3@0 max@1 skip@0 avg@1 dil3@2 dil5@3 sep5@0 sep5@4", "max@0 max@1 " * 4)
    two = genotype("skip@0 avg@1 sep3@0 max@1 dil3@3 dil5@2 sep5@0 sep5@4", "max@0 max@1 " * 4)
    other = genotype("skip@0 avg@1 sep3@0 max@1 dil3@2 dil5@3 sep5@0 sep5@4", "max@0 max@1 " * 4)
    assert one.canonical() == two.canonical() != other.canonical()
    assert one.canonical().canonical() == one.canonical()
    formula = parameters_by_formula(one, 16, 8)
    assert parameters_by_formula(one.canonical(), 16, 8) == formula


def test_factorized_reduce_sees_every_pixel_of_a_diagonal():
    module = FactorizedReduce(1, 2).eval()
    with torch.no_grad():
        module.conv_even.weight.fill_(1.0)
        module.conv_odd.weight.fill_(1.0)
        image = torch.arange(16.0).reshape(1, 1, 4, 4)
        even, odd = module(image)[0]
    assert torch.allclose(even, torch.tensor([[0.0, 2.0], [8.0, 10.0]]), atol=1e-3)
    assert torch.allclose(odd, torch.tensor([[5.0, 7.0], [13.0, 15.0]]), atol=1e-3)


@pytest.mark.parametrize("module", [SeparableConv(2, 3, 1), DilatedConv(2, 3, 1), FactorizedReduce(2, 2)])
def test_relu_comes_before_the_convolution(module):
    assert not module.eval()(-torch.rand(1, 2, 6, 6)).any()


def test_dilated_convolution_reads_every_other_pixel():
    module = DilatedConv(1, 5, 1).eval()
    with torch.no_grad():
        module.depthwise.weight.fill_(1.0)
        module.pointwise.weight.fill_(1.0)
        image = torch.zeros(1, 1, 16, 16)
        image[0, 0, 8, 8] = 1
        rows, columns = (module(image)[0, 0] > 0.5).nonzero().unbind(1)
    assert sorted(set(rows.tolist())) == sorted(set(columns.tolist())) == [4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    ("normal", "message"),
    [
        ("nothing", "not a DARTS cell"),
        ("[('sep_conv_3x3', 0)]", "8 edges, this one 1"),
        (str([("sep_conv_7x7", 0)] * 8), "unknown operation 'sep_conv_7x7'"),
        (str([("sep_conv_3x3", 2)] * 8), "edge 0 of the normal cell reads 2: choose 0 to 1"),
    ],
)
def test_bad_genotypes_are_refused(normal, message):
    with pytest.raises(UserError, match=message):
        Genotype.parse(normal, str(list(DARTS_V2.reduce)))


def test_text_form_round_trips():
    assert Genotype.parse(str(list(OTHER.normal)), str(list(OTHER.reduce))) == OTHER


@pytest.mark.labels
def test_labels(labels):
    networks = labels("nb301")
    accuracies = sorted(network.accuracy for network in networks)
    assert accuracies[0] == pytest.approx(0.902, abs=5e-4)
    assert accuracies[-1] == pytest.approx(0.9457, abs=5e-4)
    assert len({network.encoding.canonical() for network in networks[:500]}) == 500


def public_result(encoding, *, channels=32, layers=8):
    prefix = "NetworkSelectorDatasetInfo:darts:"
    config = {prefix + "init_channels": channels, prefix + "layers": layers}
    for cell, edges in (("normal", encoding.normal), ("reduce", encoding.reduce)):
        for node in range(4):
            pair = sorted(edges[2 * node : 2 * node + 2], key=lambda edge: edge[1])
            if node:
                config[f"{prefix}inputs_node_{cell}_{node + 2}"] = "_".join(str(edge[1]) for edge in pair)
            for name, source in pair:
                config[f"{prefix}edge_{cell}_{(0, 2, 5, 9)[node] + source}"] = name
    return {
        "optimized_hyperparamater_config": config,
        "info": [{"val_accuracy": 93.5}],
        "test_accuracy": 92.5,
    }


def test_public_results_are_read(tmp_path):
    folder = tmp_path / "nb_301_v13" / "rs"
    folder.mkdir(parents=True)
    (folder / "results_0.json").write_text(json.dumps(public_result(OTHER)))
    (folder / "results_1.json").write_text(json.dumps(public_result(OTHER, channels=16)))
    (network,) = get_family("nb301").networks(tmp_path)
    assert network.key == "rs/results_0.json"
    assert network.encoding.canonical() == OTHER.canonical()
    assert network.accuracy == pytest.approx(0.935)
    assert network.metadata["test_accuracy"] == pytest.approx(0.925)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "results_0.json: not a result"),
        ('{"info": 1}', "it has no 'optimized_hyper"),
        ("[]", "not a result"),
    ],
)
def test_other_json_is_refused(text, message, tmp_path):
    folder = tmp_path / "nb_301_v13"
    folder.mkdir()
    (folder / "results_0.json").write_text(text)
    with pytest.raises(UserError, match=message):
        get_family("nb301").networks(tmp_path)
