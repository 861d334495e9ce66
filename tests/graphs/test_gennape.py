from __future__ import annotations

import collections
import dataclasses
import json
import os
import pickle
import random
import time

import pytest

from nas_assistant.errors import UserError
from nas_assistant.families import find_data_root, get_family
from nas_assistant.graphs import (
    ComputationalGraph,
    Operation,
    graph_from_gennape,
    read_gennape,
    read_gennape_cache,
)

from .gennape import MODULE, as_objects, gennape_classes, node, state

INCEPTION = (
    "6x32/1 depthwise5x5:16>16 inception_s3x3:16>16 depthwise5x5+conv5x5:16>16 | "
    "2x64/2 conv5x5+double1x1:128>64 | 5x128/2 conv3x3:128>128 | "
    "3x256/2 inception_s5x5:64>64 conv5x5+inception_p5x5+conv1x1+conv3x3+inception_s3x3+conv5x5+"
    "inception_s3x3+depthwise5x5+inception_p3x3+inception_s5x5+depthwise5x5:32>64 "
    "inception_p3x3+inception_s3x3:32>64 inception_s3x3:64>64"
)
TWO_PATH = (
    "conv5x5 conv5x5 @0,1 | double3x3+bottleneck-e2-k3 conv1x1+bottleneck-r2-k3 "
    "bottleneck-e2-k3+bottleneck-r2-k3+bottleneck-e2-k1 bottleneck-r2-k3 @1,3"
)


@pytest.fixture
def published():
    """Path of a published graph by its name; skips where it is not there."""

    def find(name):
        path = find_data_root() / "gennape_graphs" / f"{name}.pkl"
        if not path.is_file():
            pytest.skip(f"no {path}: set NAS_ASSISTANT_DATA to the folder that has it")
        return path

    return find


@pytest.fixture
def classes():
    """The names of GENNAPE's classes, so that pickle can write them."""
    with gennape_classes() as module:
        yield module


def check_small(graph):
    assert [n.op.value for n in graph] == [
        *("input", "conv", "batch_norm", "relu", "global_avg_pool", "dense", "output")
    ]
    conv, dense = graph.nodes[1], graph.nodes[5]
    assert (conv.weight_shape, conv.stride, conv.padding) == ((6, 3, 3, 3), (2, 2), (0, 0, 1, 1))
    assert conv.layer == "stem.conv"
    assert (dense.weight_shape, dense.bias, dense.output_shape) == ((10, 6), True, (10,))
    assert graph.parameters == 6 * 27 + 12 + 70
    assert graph.macs == 16 * 6 * 27 + 60
    assert graph.unused_parameters == 0
    assert graph.warnings == ()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_read(tmp_path, classes, protocol):
    path = tmp_path / "small.pkl"
    path.write_bytes(pickle.dumps(as_objects(classes, state()), protocol))
    check_small(read_gennape(path))
    check_small(ComputationalGraph.from_file(path))


def test_a_state_is_read(tmp_path):
    check_small(graph_from_gennape(state()))
    path = tmp_path / "small.json"
    path.write_text(json.dumps(state()))
    check_small(read_gennape(path))


COSTS = {
    "hiaml_best": (2_220_746, 122_079_744),
    "inception_best": (3_537_898, 242_841_088),
    "nb101_best": (39_810_442, 5_842_015_232),
    "nb201_best": (1_038_394, 153_272_960),
    "two_path_best": (1_780_362, 57_709_568),
    "hiaml_autogo_mutant": None,
    "inception_autogo_mutant": None,
    "nb101_autogo_mutant": None,
    "nb201_autogo_mutant": None,
    "two_path_autogo_mutant": None,
}


class _Plain:
    pass


class _TrustedUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        assert module == MODULE
        return type(name, (_Plain,), {})


def cost(path):
    """Parameters and multiply-accumulates of a published file, counted without the reader."""
    with path.open("rb") as file:
        stored = _TrustedUnpickler(file).load()
    parameters = macs = 0
    for one in stored.weighted_nodes:
        _, height, _, width, inputs, outputs = one.resolution
        depthwise = one.op_type_idx == 4
        weights = (1 if depthwise else inputs) * outputs * max(1, one.shape[2]) * max(1, one.shape[3])
        macs += weights * height * width
        parameters += weights + outputs * bool((one.metadata or {}).get("use_bias"))
    for one in stored.regular_nodes:
        parameters += 2 * one.resolution[-1] if one.op_type_idx == 5 else 0
    return parameters, macs, stored


@pytest.mark.labels
@pytest.mark.parametrize("name", COSTS)
def test_published_graphs_have_their_costs(published, name):
    path = published(name)
    graph = read_gennape(path)
    parameters, macs, stored = cost(path)
    assert (graph.parameters, graph.macs) == (parameters, macs) == (COSTS[name] or (parameters, macs))
    assert graph.unused_parameters == 0
    assert graph.warnings == ()
    assert (graph.input_shape, graph.output_shape) == ((3, 32, 32), (10,))
    counts = collections.Counter(node.op for node in graph)
    kept = collections.Counter(one.op_type_idx for one in (*stored.weighted_nodes, *stored.regular_nodes))
    for op, index in ((Operation.CONV, 3), (Operation.DEPTHWISE_CONV, 4), (Operation.BATCH_NORM, 5)):
        assert counts[op] == kept[index]
    for op, index in ((Operation.RELU, 6), (Operation.RELU6, 7), (Operation.CONCAT, 11)):
        assert counts[op] == kept[index]
    assert counts[Operation.MAX_POOL] == kept[12]
    assert counts[Operation.AVG_POOL] == kept[13]


def without_padding(graph):
    # Where the stride is 2, TensorFlow pads after and PyTorch on both sides.
    return dataclasses.replace(graph, nodes=tuple(node.replace(padding=None) for node in graph))


@pytest.mark.labels
@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("hiaml", "src1 src1 r30 src3"),
        ("inception", INCEPTION),
        ("two_path", TWO_PATH),
        ("nb101", "7 110001010100010100101 00200"),
    ],
)
def test_published_graphs_are_those_of_the_families(published, family, text):
    family = get_family(family)
    own = family.graph(family.parse(text))
    graph = read_gennape(published(f"{family.name}_best"))
    assert without_padding(graph).is_isomorphic(without_padding(own))


class Exploit:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


def refusal(path, read=read_gennape):
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 400
    return message


@pytest.mark.parametrize("read", [read_gennape, read_gennape_cache])
@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, protocol, read):
    path, trace = tmp_path / "bad.pkl", tmp_path / "ran"
    content = pickle.dumps(Exploit(f"touch {trace}"), protocol)
    path.write_bytes(content)
    message = refusal(path, read)
    assert "names" in message or "instruction" in message or "calls" in message
    assert not trace.exists()
    # The file is as bad as the test needs it to be.
    pickle.loads(content)  # noqa: S301
    assert trace.exists()


def test_code_inside_a_graph_is_refused_and_not_run(tmp_path, classes):
    path, trace = tmp_path / "bad.pkl", tmp_path / "ran"
    graph = as_objects(classes, state(parent=Exploit(f"touch {trace}")))
    path.write_bytes(pickle.dumps(graph, 4))
    assert "system" in refusal(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"),
        (f"c{MODULE}\nComputeGraph.__init__\n.".encode(), "ComputeGraph.__init__"),
        (f"c{MODULE}\nComputeGraph\n)R.".encode(), "calls a function"),
        (f"(i{MODULE}\nComputeGraph\n.".encode(), "INST"),
        (f"(c{MODULE}\nComputeGraph\no.".encode(), "OBJ"),
        (b"Pid\n.", "PERSID"),
        (b"K\x01Q.", "BINPERSID"),
        (b"\x82\x01.", "EXT1"),
        (b"result\n.", "damaged"),
        (b"", "damaged"),
        (b"K\x01", "damaged"),
        (b"K\x01K\x02.", "damaged"),
        (b".", "damaged"),
        (b"t.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"]K\x01K\x02s.", "damaged"),
        (b"}]K\x01s.", "damaged"),
        (b"K\x01}b.", "damaged"),
        (b"X\xff\xff\xff\xffab.", "damaged"),
        (b"K\x01r\xff\xff\xff\xff.", "no ComputeGraph"),
        (b")" + b"\x85" * 1_000_000 + b".", "no ComputeGraph"),
        (f"c{MODULE}\nComputeGraph\n)\x81.".encode("latin-1"), "no fields"),
        (f"c{MODULE}\nComputeGraph\n)\x81K\x01b.".encode("latin-1"), "no fields"),
        (f"c{MODULE}\nComputeGraph\nK\x01\x85\x81}}b.".encode("latin-1"), "no ComputeGraph"),
        (f"c{MODULE}\nRegularNode\n)\x81}}b.".encode("latin-1"), "no ComputeGraph"),
        (f"c{MODULE}\nComputeGraph\n)\x81}}b.".encode("latin-1"), "edge_pairs: Field required"),
    ],
)
def test_other_pickles_are_refused_in_one_line(tmp_path, content, told):
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    assert told in refusal(path)


def test_damaged_files_are_refused_in_one_line(tmp_path, classes):
    path = tmp_path / "bad.pkl"
    whole = pickle.dumps(as_objects(classes, state()), 4)
    rng = random.Random(0)
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content[: rng.randint(1, len(content))] if rng.random() < 0.2 else content))
        try:
            read_gennape(path)
        except UserError as error:
            assert len(str(error).splitlines()) == 1


def test_a_node_in_the_wrong_list_is_refused(tmp_path, classes):
    graph = as_objects(classes, state())
    graph.weighted_nodes[0] = graph.regular_nodes[0]
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(graph, 4))
    assert "list of WeightedNode" in refusal(path)


def test_what_refers_to_itself_is_refused(tmp_path, classes):
    graph = as_objects(classes, state())
    graph.edge_pairs.append(graph.edge_pairs)
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(graph, 4))
    assert "edge_pairs" in refusal(path)


def test_lists_that_double_are_refused_at_once(tmp_path, classes):
    nested: list = []
    for _ in range(100):
        nested = [nested, nested]
    path = tmp_path / "bad.pkl"
    start = time.process_time()  # beside other load it may wait
    for field in ("edge_pairs", "name", "regular_nodes"):
        graph = as_objects(classes, state())
        setattr(graph, field, nested)
        path.write_bytes(pickle.dumps(graph, 4))
        refusal(path)
    assert time.process_time() - start < 5


def with_node(place, **fields):
    kind, index = place
    data = state()
    data[kind][index] = {**data[kind][index], **fields}
    return data


EDGES = state()["edge_pairs"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (state(edge_pairs=[*EDGES, [4, 0]]), "cycle"),
        (state(edge_pairs=[*EDGES, [3, 3]]), "cycle"),
        (state(edge_pairs=[*EDGES, [0, 8]]), "an edge leads from node 0 to 8"),
        (state(edge_pairs=[*EDGES, [-1, 3]]), "edge_pairs"),
        (state(edge_pairs=EDGES[1:]), "node 3 reads 0 nodes"),
        (state(edge_pairs=[*EDGES, [3, 2]]), "node 2 reads 1 nodes"),
        (state(edge_pairs=[*EDGES, [7, 4]]), "reads the output"),
        (state(edge_pairs=[EDGES[0], *EDGES[2:]]), "one input and an output"),
        (state(edge_pairs=[[0, 3]] * 100_001), "edge_pairs"),
        (state(regular_nodes=[node("relu", 6, [1] * 6)] * 5_001), "regular_nodes"),
        (with_node(("regular_nodes", 2), op_type_idx=1), "one input and an output, this one 2"),
        (with_node(("regular_nodes", 2), op_type_idx=32), "op_type_idx"),
        (with_node(("regular_nodes", 2), resolution=[1] * 5), "resolution"),
        (with_node(("regular_nodes", 2), resolution=[2**40] * 6), "resolution"),
        (with_node(("weighted_nodes", 0), shape=[3, 6, 33, 3]), "kernel of 1 to 31"),
        (with_node(("weighted_nodes", 0), shape=None), "node 0 (conv2d): a convolution without a kernel"),
        (with_node(("weighted_nodes", 0), shape=[3, 6, float("nan"), 3]), "kernel of 1 to 31"),
        (with_node(("weighted_nodes", 0), strides=[1, 0, 2, 1]), "strides"),
        (with_node(("weighted_nodes", 0), op_type_idx=4, resolution=[8, 4, 8, 4, 4, 6]), "depthwise"),
        (with_node(("regular_nodes", 2), op_type_idx=12), "a pool without 'ksize'"),
        (None, "graph: Input should be a valid dictionary"),
    ],
)
def test_other_states_are_refused_in_one_line(tmp_path, data, told):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    assert told in refusal(path)


@pytest.mark.parametrize("read", [read_gennape, read_gennape_cache])
def test_a_large_file_is_not_read(tmp_path, read):
    path = tmp_path / "large.pkl"
    with path.open("wb") as file:
        file.truncate(2**40)
    assert "too large" in refusal(path, read)


def test_missing_files_are_told(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.pkl")
    assert "not a computational graph" in refusal_of_text(tmp_path, "{")
    assert "not a computational graph" in refusal_of_text(tmp_path, "[" * 100_000)


def refusal_of_text(folder, text):
    path = folder / "text.json"
    path.write_text(text)
    return refusal(path)


def test_dead_ends_count_as_unused():
    data = state()
    data["regular_nodes"].append(node("fusedbatchnorm", 5, [4, 4, 4, 4, 6, 6]))
    data["edge_pairs"] = [*EDGES, [3, 8]]
    graph = graph_from_gennape(data)
    assert graph.unused_parameters == 12
    assert graph.parameters == 6 * 27 + 12 + 70 + 12


def test_concatenation_keeps_the_order_in_which_nodes_were_made():
    regular = [
        node("concat", 11, [4, 4, 4, 4, 2, 6], str_id="9|concat"),
        node("relu6", 7, [4, 4, 4, 4, 3, 3], str_id="5|b"),
        node("relu", 6, [4, 4, 4, 4, 3, 3], str_id="4|a"),
        node("input", 1, [4, 4, 4, 4, 3, 3], str_id="1|input"),
        node("output", 2, [4, 4, 4, 4, 6, 6], str_id="12|output"),
    ]
    edges = [[0, 4], [1, 0], [2, 0], [3, 1], [3, 2]]
    graph = graph_from_gennape(state(weighted_nodes=[], regular_nodes=regular, edge_pairs=edges))
    concat = next(n for n in graph if n.op is Operation.CONCAT)
    assert [graph.nodes[i].op.value for i in concat.inputs] == ["relu", "relu6"]


def test_a_cache_is_read(tmp_path, classes):
    numpy = pytest.importorskip("numpy")
    genotype = collections.namedtuple("Genotype", "normal reduce")
    classes.Genotype = genotype
    genotype.__module__ = MODULE
    entries = [
        {
            "compute graph": as_objects(classes, state()),
            "acc": numpy.float64(0.9375),
            "flops": numpy.int64(5244),
            "original config": (["conv"], numpy.eye(3, dtype=int)),
        },
        {
            "compute graph": as_objects(classes, state(name="other")),
            "acc": 0.5,
            "n_params": 244,
            "original config": genotype([("sep_conv_3x3", 0)], []),
        },
    ]
    path = tmp_path / "gpi_nb101_comp_graph_cache.pkl"
    for protocol in (3, 4):
        path.write_bytes(pickle.dumps(entries, protocol))
        first, second = read_gennape_cache(path)
        check_small(first.graph)
        assert (first.accuracy, first.flops, first.parameters) == (0.9375, 5244.0, None)
        assert (second.accuracy, second.flops, second.parameters) == (0.5, None, 244.0)
        assert second.graph.name == "other"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"acc": 93.1}, "entry 0: .*fraction from 0 to 1"),
        ({"acc": float("nan")}, "fraction from 0 to 1"),
        ({"acc": None}, "fraction from 0 to 1"),
        ({"compute graph": None}, "no ComputeGraph"),
    ],
)
def test_a_bad_entry_of_a_cache_is_named(tmp_path, classes, change, told):
    entry = {"compute graph": as_objects(classes, state()), "acc": 0.5, **change}
    path = tmp_path / "cache.pkl"
    path.write_bytes(pickle.dumps([entry], 4))
    with pytest.raises(UserError, match=told):
        read_gennape_cache(path)
    path.write_bytes(pickle.dumps({}, 4))
    assert "which is a list" in refusal(path, read_gennape_cache)


def test_nothing_of_a_cache_is_called(tmp_path, classes):
    path, trace = tmp_path / "cache.pkl", tmp_path / "ran"
    entry = {"compute graph": as_objects(classes, state()), "acc": 0.5, "x": Exploit(f"touch {trace}")}
    path.write_bytes(pickle.dumps([entry], 4))
    assert "system" in refusal(path, read_gennape_cache)
    assert not trace.exists()
