from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

import nas_assistant
from nas_assistant.graphs import _locations, read_torch, record_creation

TORCH = """
import torch
from torch import nn

def block(channels):
    return nn.Sequential(nn.Conv2d(3, channels, 3),
                         nn.ReLU())

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = block(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = self.body(x)
        x = x.mean((2, 3))
        return torch.tanh(self.fc(x))
"""

SUBCLASSES = """
import torch
from torch import nn
from torch.nn import functional as F

class SameConv(nn.Conv2d):
    def forward(self, x):
        return F.relu(F.conv2d(F.pad(x, [1, 1, 1, 1]), self.weight, self.bias, self.stride))

class StandardConv(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pad = nn.ZeroPad2d(1)

    def forward(self, x):
        return F.conv2d(self.pad(x), self.weight - self.weight.mean(), self.bias)

class Difference(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) - F.conv2d(x, self.weight.sum((2, 3), keepdim=True))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.same = SameConv(3, 4, 3)
        self.standard = StandardConv(4, 4, 3)
        self.difference = Difference(4, 4, 3, padding=1)

    def forward(self, x):
        return self.difference(self.standard(self.same(self.same(x)[:, :3])))
"""

KERAS = """
import keras
from keras import layers

class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(8, 3)

    def call(self, x):
        return keras.ops.relu(self.conv(x))

inputs = keras.Input((16, 16, 3))
x = Block()(inputs)
x = layers.GlobalAveragePooling2D()(x)
head = layers.Dense(2, activation="tanh")
model = keras.Model(inputs, head(x))
sequential = keras.Sequential()
sequential.add(keras.Input((4,)))
sequential.add(layers.Dense(3))
"""


def load(tmp_path, text, name):
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    with record_creation():
        spec.loader.exec_module(module)
        built = module.Net() if hasattr(module, "Net") else module
    return built, str(path)


def text_at(source, place):
    line = source.splitlines()[place.line - 1]
    return line[place.column or 0 :].strip()


@pytest.mark.parametrize("method", ["trace", "export"])
def test_torch_nodes_know_where_they_were_created_and_called(tmp_path, method):
    net, path = load(tmp_path, TORCH, f"located_{method}")
    graph = read_torch(net, torch.zeros(2, 3, 16, 16), method=method)
    nodes = {node.op.value: node for node in graph.nodes}
    assert {node.call.file for node in graph.nodes if node.call} == {path}
    assert text_at(TORCH, nodes["conv"].created).startswith("nn.Conv2d(3, channels, 3)")
    assert text_at(TORCH, nodes["relu"].created).startswith("nn.ReLU())")
    assert text_at(TORCH, nodes["dense"].created).startswith("nn.Linear(8, 2)")
    assert nodes["conv"].layer == "body.0"
    assert "self.body(x)" in TORCH.splitlines()[nodes["conv"].call.line - 1]
    assert "self.fc(x)" in TORCH.splitlines()[nodes["tanh"].call.line - 1]
    assert nodes["tanh"].created is None
    if method == "trace":
        assert text_at(TORCH, nodes["dense"].call).startswith("self.fc(x)")


@pytest.mark.parametrize("method", ["trace", "export"])
def test_a_layer_with_a_forward_of_its_own_is_created_where_its_class_is_called(tmp_path, method):
    net, _ = load(tmp_path, SUBCLASSES, f"subclasses_{method}")
    graph = read_torch(net, torch.zeros(2, 3, 16, 16), method=method)
    places = [
        (node.layer, node.op.value, node.created and text_at(SUBCLASSES, node.created).rstrip(")"))
        for node in graph.nodes
        if node.layer
    ]
    same = [("same", op, "SameConv(3, 4, 3") for op in ("conv", "relu")]
    assert places == [
        *same, *same,
        ("standard", "conv", "StandardConv(4, 4, 3"),
        *[("difference", op, None) for op in ("conv", "conv", "add")],
    ]  # fmt: skip


def test_a_module_without_a_forward_of_its_own_has_no_place_of_call():
    graph = read_torch(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(1, 4))
    assert [node.call for node in graph.nodes] == [None] * 4


def test_nothing_is_noted_outside_the_context():
    with record_creation():
        pass
    graph = read_torch(nn.Linear(4, 3), torch.zeros(1, 4))
    assert graph.nodes[1].created is None


@pytest.mark.tensorflow
def test_keras_nodes_know_where_they_were_created_and_called(tmp_path):
    pytest.importorskip("tensorflow")
    from nas_assistant.graphs import read_keras

    module, path = load(tmp_path, KERAS, "located_keras")
    graph = read_keras(module.model)
    nodes = {node.op.value: node for node in graph.nodes}
    assert {node.call.file for node in graph.nodes if node.call} == {path}
    assert text_at(KERAS, nodes["conv"].created) == "layers.Conv2D(8, 3)"
    assert text_at(KERAS, nodes["conv"].call).startswith("self.conv(x)")
    assert text_at(KERAS, nodes["relu"].call).startswith("keras.ops.relu")
    assert text_at(KERAS, nodes["global_avg_pool"].created).startswith("layers.GlobalAveragePooling2D()")
    assert text_at(KERAS, nodes["dense"].created).startswith("layers.Dense(2")
    assert text_at(KERAS, nodes["dense"].call).startswith("head(x)")
    assert nodes["tanh"].layer == nodes["dense"].layer == module.head.name
    dense = read_keras(module.sequential).nodes[1]
    assert text_at(KERAS, dense.created).startswith("layers.Dense(3)")
    assert dense.call is None


def test_a_package_whose_name_goes_on_after_ours_is_the_users():
    package = Path(nas_assistant.__file__).parent
    assert _locations.is_library(str(package / "graphs" / "_trace.py"))
    assert not _locations.is_library(str(package.with_name("nas_assistant_models") / "net.py"))
