from __future__ import annotations

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph, read_onnx, read_torch, write_onnx

from .conftest import PAIRS, torch_example
from .zoo import MODELS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
helper = onnx.helper

IMAGE = (1, 3, 32, 32)


def names(graph):
    return [node.op.value for node in graph.nodes]


@pytest.mark.parametrize("name", PAIRS)
def test_an_export_is_the_graph_of_its_module(tmp_path, name):
    module = torch_example(name)
    write_onnx(module, torch.zeros(IMAGE), tmp_path / "model.onnx")
    graph = ComputationalGraph.from_file(tmp_path / "model.onnx")
    original = read_torch(module, torch.zeros(IMAGE))
    assert graph.is_isomorphic(original)
    assert (graph.parameters, graph.macs) == (original.parameters, original.macs)
    assert graph.warnings == ()
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("name", ["mobilenet_v3", "densenet", "unet", "shared", "functional"])
def test_exports_of_other_networks(tmp_path, name):
    build, example = MODELS[name]
    module, inputs = build(), example()
    write_onnx(module, inputs, tmp_path / "model.onnx")
    graph, original = read_onnx(tmp_path / "model.onnx"), read_torch(module, inputs)
    assert graph.is_isomorphic(original)
    assert (graph.parameters, graph.macs) == (original.parameters, original.macs)


class Spatial(nn.Module):
    def forward(self, x):
        return torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)


@pytest.mark.parametrize("channels", [63, 64])
def test_a_reduction_over_the_channels_is_no_pool(tmp_path, channels):
    write_onnx(Spatial(), torch.zeros(1, channels, 8, 8), tmp_path / "model.onnx")
    graph = read_onnx(tmp_path / "model.onnx")
    assert names(graph) == ["input", "mean", "other", "concat", "output"]


def test_nodes_of_an_export_know_their_layer_and_line(tmp_path):
    write_onnx(torch_example("cnn"), torch.zeros(IMAGE), tmp_path / "model.onnx")
    conv = read_onnx(tmp_path / "model.onnx").nodes[1]
    assert conv.layer == "features.0"
    assert conv.call.file.endswith("torch_cnn.py")


def save(path, nodes, inputs, outputs, weights=()):
    info = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in inputs]
    out = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in outputs]
    tensors = [
        helper.make_tensor(n, onnx.TensorProto.FLOAT, s, [0.0] * torch.Size(s).numel()) for n, s in weights
    ]
    model = helper.make_model(helper.make_graph(nodes, "net", info, out, tensors))
    onnx.save(model, path)
    return path


def test_an_open_batch_is_one_sample(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    inputs, outputs = [("x", ["N", 3, 8, 8])], [("z", ["N", 4, 4, 4])]
    graph = read_onnx(save(tmp_path / "m.onnx", nodes, inputs, outputs, [("w", (4, 3, 3, 3))]))
    assert names(graph) == ["input", "conv", "relu", "output"]
    conv = graph.nodes[1]
    assert (conv.padding, conv.bias, conv.output_shape) == ((0, 0, 1, 1), False, (4, 4, 4))
    assert (conv.parameters, conv.macs) == (108, 4 * 16 * 27)


def test_arithmetic_is_put_back_together(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["d"]),
        helper.make_node("Mul", ["c", "d"], ["e"]),
    ]
    weights = [("w", (6, 5)), ("b", (5,))]
    graph = read_onnx(save(tmp_path / "m.onnx", nodes, [("x", [1, 6])], [("e", [1, 5])], weights))
    assert names(graph) == ["input", "dense", "swish", "output"]
    assert (graph.nodes[1].weight_shape, graph.nodes[1].bias) == ((5, 6), True)
    assert graph.parameters == 35


@pytest.mark.parametrize("rate", [0.0, 0.5, None])
def test_dropout_of_nothing_is_left_out(tmp_path, rate):
    constant = helper.make_tensor("value", onnx.TensorProto.FLOAT, [], [rate or 0.0])
    nodes = [
        helper.make_node("Constant", [], ["rate"], value=constant),
        helper.make_node("Dropout", ["x"] if rate is None else ["x", "rate"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    path = save(tmp_path / "dropout.onnx", nodes, [("x", [1, 4])], [("z", [1, 4])])
    graph = ComputationalGraph.from_onnx(path)
    assert names(graph) == ["input", *([] if rate == 0 else ["dropout"]), "relu", "output"]


def test_a_folded_file_is_what_it_says(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    program = torch.onnx.export(module, (torch.zeros(IMAGE),), dynamo=True, verbose=False)
    program.save(tmp_path / "m.onnx")
    graph = read_onnx(tmp_path / "m.onnx")
    assert names(graph) == ["input", "conv", "output"]
    assert graph.parameters == 4 * 27 + 4


def test_an_operator_outside_the_vocabulary_is_named(tmp_path):
    nodes = [helper.make_node("CumSum", ["x", "axis"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [("x", [1, 6]), ("axis", [1])], [("y", [1, 6])])
    graph = read_onnx(path)
    assert "other" in names(graph)
    assert "CumSum (1x)" in graph.warnings[0]


def test_weights_in_another_file_are_not_opened(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", [1, 6])],
        [("y", [1, 5])],
        [("w", (6, 5))],
    )
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    graph = read_onnx(path)
    assert (graph.parameters, graph.nodes[1].weight_shape) == (30, (5, 6))


def test_a_hostile_constant_is_not_computed(tmp_path):
    size = helper.make_tensor("size", onnx.TensorProto.INT64, [2], [2**20, 2**20])
    nodes = [
        helper.make_node("Constant", [], ["n"], value=size),
        helper.make_node("ConstantOfShape", ["n"], ["big"]),
        helper.make_node("Clip", ["x", "big"], ["y"]),
    ]
    graph = read_onnx(save(tmp_path / "m.onnx", nodes, [("x", [1, 6])], [("y", [1, 6])]))
    assert names(graph) == ["input", "other", "output"]


def test_an_attribute_that_makes_no_sense_is_one_line(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[0, 0], name="first")]
    path = save(
        tmp_path / "m.onnx", nodes, [("x", [1, 3, 8, 8])], [("y", [1, 4, 8, 8])], [("w", (4, 3, 3, 3))]
    )
    with pytest.raises(UserError, match=r"m\.onnx") as raised:
        read_onnx(path)
    assert "\n" not in str(raised.value)


def test_an_open_size_is_refused_by_name(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [("x", ["N", 3, "height", 8])],
        [("y", ["N", 3, "height", 8])],
    )
    with pytest.raises(UserError, match=r"'x' has the open shape \(N, 3, height, 8\)"):
        read_onnx(path)


def test_other_files_are_refused_in_one_line(tmp_path):
    whole = save(
        tmp_path / "whole.onnx", [helper.make_node("Relu", ["x"], ["y"])], [("x", [1, 3])], [("y", [1, 3])]
    ).read_bytes()
    contents = {
        "cut.onnx": whole[: len(whole) // 2],
        "empty.onnx": b"",
        "text.onnx": b"import torch\n" * 20,
        "zip.onnx": b"PK\x03\x04" + bytes(100),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="not an ONNX model") as raised:
            read_onnx(tmp_path / name)
        assert name in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="no such file"):
        read_onnx(tmp_path / "missing.onnx")


def test_a_module_that_cannot_be_exported_is_one_line(tmp_path):
    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError("no\nway")

    with pytest.raises(UserError, match="Bad cannot be exported") as raised:
        write_onnx(Bad(), torch.zeros(1, 3), tmp_path / "m.onnx")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_buffer_that_is_called_like_a_node(tmp_path):
    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            return self.conv(x - self.mean).mean((2, 3))

    write_onnx(Normalised(), torch.zeros(IMAGE), tmp_path / "model.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"))
    assert read_onnx(str(tmp_path / "model.onnx")).parameters == 227  # with the buffer


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_macs_of_a_recurrent_layer(tmp_path, kind):
    class Read(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = kind(24, 48, num_layers=2, batch_first=True, bidirectional=True)

        def forward(self, x):
            return self.cells(x)[0]

    module, inputs = Read(), torch.zeros(2, 20, 24)
    write_onnx(module, inputs, tmp_path / "model.onnx")
    assert read_onnx(tmp_path / "model.onnx").macs == read_torch(module, inputs).macs


def test_a_part_of_a_sequence_is_no_operation_of_its_own(tmp_path):
    class Halves(nn.Module):
        def forward(self, x):
            left, right = x.chunk(2, dim=1)
            return left * right.sigmoid()

    write_onnx(Halves(), torch.zeros(IMAGE[0], 8, 4, 4), tmp_path / "model.onnx")
    assert read_onnx(tmp_path / "model.onnx").warnings == ()
