from __future__ import annotations

import json
import random

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.families import Network, get_family, list_families
from nas_assistant.families.nb101 import Cell
from nas_assistant.families.nb301 import NB301

from .conftest import build_meta, parameters

BUILT = [name for name in list_families() if not get_family(name).sandboxed]
DARTS = "NetworkSelectorDatasetInfo:darts:"
SCHEDULE = "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max"


@pytest.mark.parametrize("name", BUILT)
def test_text_round_trips(name):
    family = get_family(name)
    rng = random.Random(5)
    for _ in range(30):
        encoding = family.sample(rng)
        text = family.format(encoding)
        assert "\n" not in text
        assert family.parse(text) == encoding


def test_smallest_cell_round_trips():
    cell = Cell.parse(2, "1", "-")
    assert get_family("nb101").format(cell) == "2 1 -"
    assert get_family("nb101").parse("2 1 -") == cell


@pytest.mark.parametrize("name", list_families())
@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "nonsense",
        "[1, 2]",
        "3 111 7",
        "3 1x1 0",
        "9 1 1",
        "² 1 -",
        "(" * 500,
        "([], 5)",
        "((1,), [])",
    ],
)
def test_other_text_is_refused_in_one_line(name, text):
    with pytest.raises(UserError) as caught:
        get_family(name).parse(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("method", ["trace", "export"])
def test_both_readers_agree(name, method):
    from nas_assistant.graphs import ComputationalGraph

    family = get_family(name)
    module = build_meta(family, family.sample(random.Random(11)))
    example = torch.empty(2, 3, 32, 32, device="meta")
    read = ComputationalGraph.from_torch(module, example, method=method)
    assert read.parameters == parameters(module)
    assert read.output_shape == (family.num_classes,)


@pytest.mark.parametrize(
    ("vertices", "edges", "operations", "message"),
    [
        (8, {(0, 7)}, (0,) * 6, "2 to 7 vertices, not 8"),
        (3, {(0, 2)}, (3,), "1 operations, each 0, 1 or 2"),
        (3, {(0, 2)}, (), "1 operations"),
        (3, {(2, 0)}, (0,), "leads from a vertex to a later one"),
        (3, {(0, 3)}, (0,), "leads from a vertex to a later one"),
    ],
)
def test_cells_that_cannot_be_are_refused(vertices, edges, operations, message):
    with pytest.raises(UserError, match=message):
        Cell(vertices, frozenset(edges), operations)


def test_vertices_that_lead_nowhere_are_not_built():
    # Vertex 2 is not read by anything.
    cell = Cell(4, frozenset({(0, 1), (1, 3), (0, 2)}), (1, 0))
    family = get_family("nb101")
    assert parameters(build_meta(family, cell)) == parameters(build_meta(family, Cell.parse(3, "101", "1")))
    with pytest.raises(UserError, match=r"cell '3 100 1' does not reach its output"):
        family.build(Cell.parse(3, "100", "1"))


@pytest.mark.parametrize("accuracy", [93.0, -0.1, float("nan"), float("inf")])
def test_an_accuracy_is_a_fraction(accuracy):
    with pytest.raises(UserError, match=r"accuracy of 7 is .* no fraction from 0 to 1"):
        Network("7", "encoding", accuracy)
    assert Network("7", "encoding", 1.0).accuracy == 1.0


@pytest.mark.parametrize("value", ["nan", "9400", "-3"])
def test_a_row_with_an_impossible_accuracy_is_named(value, tmp_path):
    (tmp_path / "channel_resnet.csv").write_text(
        f"key,test_acc_mean,test_acc_std,flops,params\n1111111,93,0.1,1,1\n1111112,{value},0.1,1,1\n"
    )
    with pytest.raises(UserError, match=r"channel_resnet.csv, line 3: .*no fraction from 0 to 1"):
        get_family("channel_resnet").networks(tmp_path)


def test_limit_and_seed_may_be_positional(tmp_path):
    rows = "".join(f"{digits},90,0.1,1,1\n" for digits in (1111111, 1111112, 1111113, 1111114))
    (tmp_path / "channel_resnet.csv").write_text("key,test_acc_mean,test_acc_std,flops,params\n" + rows)
    family = get_family("channel_resnet")
    assert family.networks(tmp_path, 2, 5) == family.networks(tmp_path, limit=2, seed=5)


# One result as published: 50 channels, 20 cells, trained for 1,500 epochs, of 6,369,358 parameters.
PUBLISHED_NORMAL = {
    "edge_normal_0": "skip_connect",
    "edge_normal_1": "sep_conv_3x3",
    "edge_normal_2": "sep_conv_3x3",
    "edge_normal_3": "skip_connect",
    "edge_normal_5": "dil_conv_3x3",
    "edge_normal_7": "dil_conv_5x5",
    "edge_normal_10": "sep_conv_3x3",
    "edge_normal_11": "skip_connect",
    "inputs_node_normal_3": "0_1",
    "inputs_node_normal_4": "0_2",
    "inputs_node_normal_5": "1_2",
}
PUBLISHED_REDUCE = {
    "edge_reduce_0": "max_pool_3x3",
    "edge_reduce_1": "avg_pool_3x3",
    "edge_reduce_2": "skip_connect",
    "edge_reduce_3": "dil_conv_5x5",
    "edge_reduce_6": "sep_conv_3x3",
    "edge_reduce_7": "sep_conv_5x5",
    "edge_reduce_11": "sep_conv_3x3",
    "edge_reduce_12": "dil_conv_3x3",
    "inputs_node_reduce_3": "0_1",
    "inputs_node_reduce_4": "1_2",
    "inputs_node_reduce_5": "2_3",
}


def write_result(folder, name, **settings):
    folder.mkdir(exist_ok=True)
    config = {DARTS + key: value for key, value in (PUBLISHED_NORMAL | PUBLISHED_REDUCE).items()}
    config |= {DARTS + "init_channels": 50, DARTS + "layers": 20, SCHEDULE: 100} | settings
    result = {
        "optimized_hyperparamater_config": config,
        "info": [{"val_accuracy": 93.5}],
        "test_accuracy": 93,
    }
    (folder / name).write_text(json.dumps(result))


def test_published_size_of_a_public_result(tmp_path):
    write_result(tmp_path / "nb_301_v13", "results_0.json")
    family = NB301(channels=50, cells=20)
    (network,) = family.networks(tmp_path)
    last = 4 * 200
    auxiliary = 128 * last + 256 + 393_216 + 1_536 + 7_690  # the head that only training has
    assert parameters(build_meta(family, network.encoding)) + auxiliary == 6_369_358


def test_public_results_of_other_trainings_are_left_out(tmp_path):
    folder = tmp_path / "nb_301_v13"
    write_result(folder, "results_0.json")
    write_result(folder, "results_1.json", **{SCHEDULE: 50})
    write_result(folder, "results_2.json", **{"OptimizerSelector:sgd:learning_rate": 0.1})
    write_result(folder, "results_3.json", **{"OptimizerSelector:sgd:weight_decay": 0.01})
    assert [n.key for n in NB301(50, 20).networks(tmp_path)] == ["results_0.json"]
    with pytest.raises(
        UserError, match=r"no results_.* is of 32 channels and 8 cells, trained for 100 epochs"
    ):
        get_family("nb301").networks(tmp_path)
