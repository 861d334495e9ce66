from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.graphs import read_keras, read_torch

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402


class Raw(keras.Model):
    """Half of it in Keras's layers, half in tf.nn on variables of its own."""

    def __init__(self):
        super().__init__()
        self.kernel = self.add_weight(shape=(3, 3, 3, 16))
        self.shift = self.add_weight(shape=(16,))
        self.scale, self.offset = self.add_weight(shape=(16,)), self.add_weight(shape=(16,))
        self.mean = self.add_weight(shape=(16,), trainable=False)
        self.variance = self.add_weight(shape=(16,), trainable=False)
        self.depthwise = self.add_weight(shape=(3, 3, 16, 1))
        self.conv = layers.Conv2D(32, 3, padding="same", activation="relu")
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.2)
        self.fc = layers.Dense(10)

    @tf.function
    def call(self, x):
        x = tf.nn.bias_add(tf.nn.conv2d(x, self.kernel, 2, [[0, 0], [1, 1], [1, 1], [0, 0]]), self.shift)
        x = tf.nn.batch_normalization(x, self.mean, self.variance, self.offset, self.scale, 1e-3)
        x = tf.nn.max_pool2d(tf.nn.relu6(x), 2, 2, "VALID")
        x = tf.concat([x, tf.nn.depthwise_conv2d(x, self.depthwise, [1, 1, 1, 1], "SAME")], -1)
        x = tf.nn.gelu(self.norm(self.conv(x)))
        x = tf.nn.silu(x) + x
        x = self.drop(tf.reduce_mean(x, axis=[1, 2]))
        return tf.nn.softmax(self.fc(x))


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.conv2, self.norm2 = nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.drop, self.fc = nn.Dropout(0.2), nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu6(self.norm1(self.conv1(x))), 2)
        x = torch.cat([x, self.depthwise(x)], 1)
        x = F.gelu(self.norm2(F.relu(self.conv2(x))))
        x = F.silu(x) + x
        return self.fc(self.drop(x.mean((2, 3)))).softmax(1)


def names(graph):
    return [node.op.value for node in graph.nodes]


def test_a_model_on_tf_functions_and_its_pytorch_twin_are_one_graph():
    model = Raw()
    graph = read_keras(model, (3, 32, 32))
    twin = read_torch(Twin(), torch.zeros(1, 3, 32, 32))
    assert graph.framework == "tensorflow"
    assert graph.is_isomorphic(twin)
    assert (graph.parameters, graph.macs) == (twin.parameters, twin.macs)
    assert graph.unused_parameters == 0
    assert graph.warnings == ()


def test_frozen_weights_count_as_any_other():
    model = Raw()
    whole = read_keras(model, (3, 32, 32))
    model.trainable = False
    assert read_keras(model, (3, 32, 32)) == whole


def test_nodes_have_the_line_of_their_call():
    lines = Path(__file__).read_text().splitlines()
    graph = read_keras(Raw(), (3, 32, 32))
    nodes = {node.op.value: node for node in graph.nodes}
    assert {node.call.file for node in graph.nodes if node.call} == {__file__}
    assert "tf.nn.max_pool2d" in lines[nodes["max_pool"].call.line - 1]
    assert "self.fc(x)" in lines[nodes["dense"].call.line - 1]
    assert nodes["dense"].layer == "dense" or nodes["dense"].layer.startswith("dense_")


def test_tf_functions_in_lambda_layers():
    inputs = keras.Input((16, 16, 3))
    x = layers.Lambda(lambda t: tf.image.resize(t, (8, 8)) / 255.0)(inputs)
    x = layers.Conv2D(4, 3)(x)
    graph = read_keras(keras.Model(inputs, layers.Lambda(lambda t: tf.nn.relu(t))(x)))
    assert names(graph) == ["input", "upsample", "conv", "relu", "output"]
    assert graph.output_shape == (4, 6, 6)


@pytest.mark.parametrize(
    ("shape", "layer"), [((9, 5), layers.Dense(3)), ((4, 8, 8, 3), layers.Conv2D(6, 3, activation="relu"))]
)
def test_a_layer_of_every_time_step_is_one_as_in_the_trace_of_layers(shape, layer):
    inputs = keras.Input(shape)
    steps = layers.TimeDistributed(layer)(inputs)
    traced = read_keras(keras.Model(inputs, keras.ops.tanh(steps)))
    graph = read_keras(keras.Model(inputs, layers.Lambda(lambda t: tf.tanh(t))(steps)))
    assert graph.framework == "tensorflow"
    assert graph.is_isomorphic(traced)
    assert (graph.parameters, graph.macs) == (traced.parameters, traced.macs)
    assert [n.layer for n in graph.weighted_nodes] == [layer.name]


class Affine(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = tf.Variable(tf.ones((8, 4))), tf.Variable(tf.ones(4))

    @tf.function
    def __call__(self, x):
        return tf.nn.tanh(x @ self.weight + self.bias)


class Clipped(keras.Model):
    def __init__(self):
        super().__init__()
        self.fc = layers.Dense(3)

    @tf.function
    def call(self, x):
        if tf.reduce_sum(x) > 1000.0:
            x = tf.zeros_like(x)
        return self.fc(tf.nn.relu(x))


def test_control_flow_on_tensors_is_one_operation_outside_the_vocabulary():
    graph = read_keras(Clipped(), (4,))
    assert names(graph)[-3:] == ["relu", "dense", "output"]
    assert graph.parameters == 15
    assert graph.warnings


def test_a_module_of_tensorflow_alone():
    graph = read_keras(Affine(), (8,))
    assert names(graph) == ["input", "dense", "tanh", "output"]
    dense = graph.nodes[1]
    assert (dense.weight_shape, dense.bias, dense.parameters, dense.macs) == ((4, 8), True, 36, 32)


def test_an_operation_outside_the_vocabulary_is_named():
    inputs = keras.Input((8,))
    graph = read_keras(keras.Model(inputs, layers.Lambda(lambda t: tf.cumsum(t, axis=1))(inputs)))
    assert names(graph) == ["input", "other", "output"]
    assert "Cumsum (1x)" in graph.warnings[0]


class Spatial(keras.Model):
    def call(self, x):
        return tf.concat([tf.reduce_mean(x, -1, keepdims=True), tf.reduce_max(x, -1, keepdims=True)], -1)


@pytest.mark.parametrize("channels", [63, 64])
def test_a_reduction_over_the_channels_is_no_pool(channels):
    graph = read_keras(Spatial(), (channels, 8, 8))
    assert (graph.framework, names(graph)) == ("tensorflow", ["input", "mean", "other", "concat", "output"])
