from __future__ import annotations

import math

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.graphs import Operation, read_keras, read_torch

from .conftest import PAIRS, keras_example, torch_example
from .zoo import MODELS

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402
from keras import layers, ops  # noqa: E402


def names(graph):
    return [node.op.value for node in graph.nodes]


def count(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", PAIRS)
def test_an_example_and_its_twin_are_one_graph(name):
    model, module = keras_example(name), torch_example(name)
    graph = read_keras(model, (3, 32, 32))
    twin = read_torch(module, torch.zeros(1, 3, 32, 32))
    assert graph.is_isomorphic(twin)
    assert graph.framework == "keras"
    assert (graph.parameters, graph.macs) == (twin.parameters, twin.macs)
    assert graph.parameters == count(model)
    assert graph.warnings == ()


def image():
    return keras.Input((32, 32, 3))


def vgg():
    x = inputs = image()
    for _ in range(2):
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.AveragePooling2D(4)(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(layers.Dropout(0.5)(x)))


@pytest.mark.parametrize("kind", [layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout])
def test_dropout_of_nothing_is_left_out(kind):
    for rate, found in ((0.0, []), (0.5, ["dropout"])):
        graph = read_keras(keras.Sequential([image(), kind(rate), layers.ReLU()]), (3, 32, 32))
        assert names(graph) == ["input", *found, "relu", "output"]


def densenet(growth=4):
    inputs = image()
    features = [layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)]
    for _ in range(3):
        x = layers.Concatenate()(features) if len(features) > 1 else features[0]
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        features.append(layers.Conv2D(growth, 3, padding="same")(x))
    x = layers.AveragePooling2D(2)(ops.concatenate(features, axis=-1))
    return keras.Model(inputs, layers.Dense(10)(ops.mean(x, axis=(1, 2))))


class SqueezeExcite(layers.Layer):
    def __init__(self, channels):
        super().__init__()
        self.pool = layers.GlobalAveragePooling2D(keepdims=True)
        self.down = layers.Conv2D(channels // 4, 1, activation="relu")
        self.up = layers.Conv2D(channels, 1, activation="hard_sigmoid")

    def call(self, x):
        return x * self.up(self.down(self.pool(x)))


def mobilenet_v3():
    inputs = image()
    x = layers.Conv2D(16, 3, strides=2, use_bias=False)(layers.ZeroPadding2D(1)(inputs))
    x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(5, padding="same", use_bias=False, activation="hard_silu")(x)
    x = layers.add([x, layers.Conv2D(16, 1)(SqueezeExcite(16)(y))])
    x = layers.Conv2D(32, 3, groups=4, dilation_rate=2)(x)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


class UNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.down1 = layers.Conv2D(8, 3, padding="same", activation="relu")
        self.down2 = layers.Conv2D(16, 3, padding="same", activation="relu")
        self.up = layers.Conv2DTranspose(8, 2, strides=2)
        self.grow = layers.UpSampling2D()
        self.out = layers.Conv2D(2, 1)

    def call(self, x):
        first = self.down1(x)
        second = self.down2(ops.max_pool(first, 2))
        up = self.grow(ops.average_pool(self.up(second), 2))
        return self.out(ops.concatenate([first, up], axis=-1))


def encoder():
    tokens = keras.Input((7,), dtype="int32")
    x = layers.Embedding(50, 16)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 4)(x, x))
    return keras.Model(tokens, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


def two_inputs():
    picture, table = image(), keras.Input((5,))
    x = layers.GlobalMaxPooling2D()(layers.ELU()(layers.Conv2D(8, 3)(picture)))
    y = keras.activations.leaky_relu(layers.Dense(8)(table))
    return keras.Model([picture, table], layers.Dense(3)(ops.concatenate([x, y], axis=-1)))


def shared():
    conv = layers.Conv2D(8, 3, padding="same", activation="relu")
    inputs = image()
    x = layers.Conv2D(8, 1)(inputs)
    for _ in range(3):
        x = conv(x)
    return keras.Model(inputs, ops.mean(x, axis=[1, 2]))


TWINS = {
    "vgg": vgg,
    "densenet": densenet,
    "mobilenet_v3": mobilenet_v3,
    "unet": UNet,
    "encoder": encoder,
    "two_inputs": two_inputs,
    "shared": shared,
}


@pytest.mark.parametrize("name", TWINS)
def test_a_model_and_its_pytorch_twin_are_one_graph(name):
    model = TWINS[name]()
    graph = read_keras(model, (3, 32, 32) if name == "unet" else None)
    build, example = MODELS[name]
    twin = read_torch(build(), example())
    assert graph.is_isomorphic(twin)
    assert graph.macs == twin.macs
    assert graph.parameters == count(model) == twin.parameters


def test_same_padding_at_stride_two_is_on_one_side():
    inputs = keras.Input((32, 33, 3))
    graph = read_keras(keras.Model(inputs, layers.Conv2D(4, 3, strides=2, padding="same")(inputs)))
    assert graph.nodes[1].padding == (0, 1, 1, 1)
    assert graph.nodes[1].output_shape == (4, 16, 17)


def test_a_separable_convolution_is_two_nodes():
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, layers.SeparableConv2D(6, 3, depth_multiplier=2, activation="relu6")(inputs))
    graph = read_keras(model)
    assert names(graph) == ["input", "depthwise_conv", "conv", "relu6", "output"]
    assert [n.weight_shape for n in graph.weighted_nodes] == [(8, 1, 3, 3), (6, 8, 1, 1)]
    assert [n.parameters for n in graph.weighted_nodes] == [72, 54]
    assert [n.bias for n in graph.weighted_nodes] == [False, True]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.ReLU(max_value=6), "relu6"),
        (lambda: layers.ReLU(negative_slope=0.1), "leaky_relu"),
        (lambda: layers.LeakyReLU(), "leaky_relu"),
        (lambda: layers.PReLU(), "leaky_relu"),
        (lambda: layers.Softmax(), "softmax"),
        (lambda: layers.Activation("gelu"), "gelu"),
        (lambda: layers.Activation(lambda x: ops.sigmoid(x)), "sigmoid"),
        (lambda: layers.Activation(keras.activations.hard_sigmoid), "hard_sigmoid"),
    ],
)
def test_activations(layer, expected):
    inputs = keras.Input((6,))
    assert names(read_keras(keras.Model(inputs, layer()(inputs)))) == ["input", expected, "output"]


def test_what_only_prepares_the_data_is_left_out():
    inputs = image()
    x = layers.RandomFlip()(layers.Rescaling(1 / 255)(inputs))
    x = layers.RandomRotation(0.1)(x)
    graph = read_keras(keras.Model(inputs, layers.Conv2D(4, 3)(x)))
    assert names(graph) == ["input", "conv", "output"]


def test_recurrent_layers():
    model = keras.Sequential(
        [
            layers.Embedding(20, 6, mask_zero=True),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.GRU(5, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3)),
        ]
    )
    graph = read_keras(model, (9,))
    nodes = [n for n in graph.weighted_nodes if n.op is not Operation.EMBEDDING]
    assert [n.op.value for n in nodes] == ["recurrent", "recurrent", "dense"]
    assert [n.weight_shape for n in nodes] == [(16, 6), (15, 8), (3, 5)]
    assert nodes[0].macs == 9 * 2 * (16 * 6 + 16 * 4)
    assert nodes[2].macs == 9 * 15
    assert graph.output_shape == (9, 3)
    assert graph.parameters == count(model)
    assert graph.unused_parameters == 0


def test_sizes_that_an_einsum_leaves_open_are_filled():
    inputs = keras.Input((32, 24))
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 56))(inputs)
    graph = read_keras(keras.Model(inputs, layers.Dense(5)(x)))
    assert graph.framework == "keras"
    assert [(n.output_shape, n.macs) for n in graph.weighted_nodes] == [
        ((32, 56), 32 * 24 * 56),
        ((32, 5), 32 * 56 * 5),
    ]


def test_a_trace_that_fails_by_our_fault_is_told(monkeypatch):
    def failing(*arguments):
        raise TypeError("unsupported operand")

    monkeypatch.setattr("nas_assistant.graphs._keras_trace.trace_keras", failing)
    graph = read_keras(keras.Sequential([image(), layers.ReLU()]))
    assert graph.framework == "tensorflow"
    (warning,) = graph.warnings
    assert warning.endswith("the trace of its layers failed: TypeError: unsupported operand")


class Tokens(layers.Layer):
    def __init__(self, width):
        super().__init__()
        self.positions = layers.Embedding(16, width)

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]))
        super().build(shape)

    def call(self, x):
        x = x + self.positions(ops.arange(16))
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)


def test_weights_behind_numbers_belong_to_the_operation_that_uses_them():
    inputs = keras.Input((16, 8))
    model = keras.Model(inputs, Tokens(8)(inputs))
    graph = read_keras(model)
    assert names(graph) == ["input", "add", "concat", "output"]
    assert [n.parameters for n in graph.weighted_nodes] == [128, 8]
    assert graph.output_shape == (17, 8)


def test_nested_models_are_expanded_and_shared_weights_counted_once():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")], name="inner")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, inner(inner(inputs)))
    graph = read_keras(model)
    assert names(graph) == ["input", "conv", "conv", "output"]
    assert [n.parameters for n in graph.weighted_nodes] == [84, 0]


def test_channels_first_layers_are_read_as_they_are():
    inputs = keras.Input((8, 8, 3))
    x = layers.Permute((3, 1, 2))(inputs)
    model = keras.Model(inputs, layers.Conv2D(4, 3, strides=2, data_format="channels_first")(x))
    graph = read_keras(model)
    assert (graph.input_shape, graph.nodes[2].output_shape) == ((3, 8, 8), (4, 3, 3))


def test_an_input_has_its_channels_where_the_layers_have_them():
    model = keras.Sequential([layers.Conv2D(4, 3, data_format="channels_first")])
    graph = read_keras(model, (3, 8, 10))
    assert [node.output_shape for node in graph.nodes[:2]] == [(3, 8, 10), (4, 6, 8)]


class Scaled(layers.Layer):
    def build(self, shape):
        self.scale, self.offset = self.add_weight(shape=(8,)), self.add_weight(shape=(8,))
        self.mean = self.add_weight(shape=(8,), trainable=False)

    def call(self, x):
        return (x - self.mean) * self.scale + self.offset


def frozen_backbone(part, rest):
    """A model whose backbone has its ``trainable`` as the layer or the model around it says."""
    keras.backend.clear_session()  # layers are named as if they were the first
    backbone = keras.Sequential(
        [
            layers.RandomFlip(),
            layers.Conv2D(8, 3, trainable=part),
            layers.BatchNormalization(trainable=part),
            Scaled(trainable=part),
            layers.SeparableConv2D(8, 3, trainable=part),
            layers.Reshape((36, 8)),
            layers.LSTM(4, trainable=part),
        ]
    )
    backbone.trainable = rest
    inputs = keras.Input((10, 10, 3))
    return keras.Model(inputs, layers.Dense(5)(backbone(inputs, training=False)))


@pytest.mark.parametrize(("part", "rest"), [(False, True), (True, False)])
def test_frozen_weights_count_as_any_other(part, rest):
    model = frozen_backbone(part, rest)
    whole = frozen_backbone(True, True)
    graph = read_keras(model)
    assert graph.nodes == read_keras(whole).nodes
    assert (graph.parameters, graph.unused_parameters) == (count(whole), 0)
    assert len(model.trainable_variables) == 2


def test_the_model_is_left_as_it_was():
    model = keras_example("mobilenet")
    before = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    call, new = keras.layers.Layer.symbolic_call, keras.Operation.symbolic_call
    read_keras(model)
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == before
    assert (keras.layers.Layer.symbolic_call, keras.Operation.symbolic_call) == (call, new)
    assert keras.Model.from_config(keras_example("cnn").get_config()).count_params() > 0


def test_an_unbuilt_model_needs_a_shape_and_a_built_one_remembers_it():
    model = UNet()
    with pytest.raises(UserError, match="input shape of UNet is not known"):
        read_keras(model)
    graph = read_keras(model, (3, 16, 16))
    assert read_keras(model).is_isomorphic(graph)


def test_open_sizes_of_a_model_are_filled_with_the_given_shape():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    assert read_keras(model, (3, 20, 10)).output_shape == (4, 18, 8)


def test_an_operation_outside_the_vocabulary_is_named():
    inputs = keras.Input((8,))
    graph = read_keras(keras.Model(inputs, ops.cumsum(inputs, axis=-1)))
    assert names(graph) == ["input", "other", "output"]
    assert "Cumsum (1x)" in graph.warnings[0]


def test_a_model_that_does_not_run_is_one_line_with_the_shape():
    class Bad(keras.Model):
        def call(self, x):
            return ops.reshape(x, (7, -1))

    with pytest.raises(UserError) as raised:
        read_keras(Bad(), (3, 32, 32))
    assert "Bad does not run on an input of shape (32, 32, 3)" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("channels", [63, 64])
def test_a_reduction_over_the_channels_is_no_pool(channels):
    inputs = keras.Input((8, 8, channels))
    both = [ops.mean(inputs, axis=-1, keepdims=True), ops.max(inputs, axis=-1, keepdims=True)]
    graph = read_keras(keras.Model(inputs, ops.concatenate(both, axis=-1)))
    assert [node.op.value for node in graph.nodes] == ["input", "mean", "other", "concat", "output"]
    assert [node.output_shape for node in graph.nodes[1:4]] == [(1, 8, 8), (1, 8, 8), (2, 8, 8)]


class Left(layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), name="gamma")

    def call(self, x):
        return self.gamma * x


def test_a_variable_on_the_left_is_traced_as_on_the_right():
    inputs = keras.Input((8, 8, 3))
    graph = read_keras(keras.Model(inputs, Left()(layers.Conv2D(4, 3)(inputs))))
    assert [node.op for node in graph] == ["input", "conv", "mul", "output"]
    assert graph.nodes[2].call is not None and graph.warnings == ()
