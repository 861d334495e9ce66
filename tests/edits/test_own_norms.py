"""New normalisations and activations are those that the file has around them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BLOCK = """\
from torch import nn


class Block(nn.Module):
    def __init__(self, cin, cout, norm_layer=nn.BatchNorm2d, act_layer=nn.SiLU):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.norm1 = NORM
        self.act1 = ACT
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)

    def forward(self, x):
        return self.conv2(self.act1(self.norm1(self.conv1(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block(3, 16)
        self.odd = nn.Conv2d(16, 18, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(18, 10)

    def forward(self, x):
        return self.head(self.pool(self.odd(self.block(x))).flatten(1))
"""


def block(norm: str, act: str) -> str:
    return BLOCK.replace("NORM", norm).replace("ACT", act)


@pytest.mark.parametrize(
    ("norm", "act"),
    [
        ("nn.GroupNorm(4, cout)", "nn.PReLU(cout)"),
        ("nn.GroupNorm(num_groups=4, num_channels=cout, eps=1e-6)", "nn.SiLU(inplace=True)"),
        ("norm_layer(cout)", "act_layer(inplace=True)"),
        ("nn.InstanceNorm2d(cout, affine=True)", "act_layer()"),
    ],
)
def test_a_block_is_made_of_what_stands_behind_the_layer(torch_bench: Callable, norm: str, act: str) -> None:
    lines = torch_bench(block(norm, act)).edited("insert_block", "block.conv1", block="conv-bn")
    assert [line[1:].strip() for line in lines[3:5]] == [f"{norm},", f"{act},"]


def test_a_norm_is_of_groups_where_the_file_has_such_and_they_divide_the_channels(
    torch_bench: Callable,
) -> None:
    bench = torch_bench(block("nn.GroupNorm(4, cout)", "nn.ReLU()"))
    lines = bench.edited("add_norm", "block.conv2", what="group normalisation behind it")
    assert lines[-1].endswith("nn.Sequential(nn.Conv2d(cout, cout, 3, padding=1), nn.GroupNorm(4, cout))")
    assert not [edit for edit in bench.edits if edit.operation == "add_norm" and edit.layer == "odd"]


def test_what_only_one_function_knows_is_not_written_in_another(torch_bench: Callable) -> None:
    bench = torch_bench(block("norm_layer(cout)", "act_layer()"))
    assert bench.edited("add_norm", "odd")[-1].endswith("nn.BatchNorm2d(18))")
    lines = bench.edited("insert_block", "odd", block="conv-bn")
    assert not any("_layer" in line for line in lines)


def test_an_activation_is_one_of_the_same_function_if_none_stands_behind_the_layer(
    torch_bench: Callable,
) -> None:
    lines = torch_bench(block("norm_layer(cout)", "act_layer(True)")).edited("repeat_layer", "block.conv2")
    assert lines[3] == "+            act_layer(True),"


SHORTCUT = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.act = nn.ReLU()
        self.last = nn.Conv2d(16, 16, 1, bias=False)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        x = self.last(self.act(self.norm(self.conv(x)))) + self.norm(self.shortcut(x))
        return self.head(x.mean((2, 3)))
"""


def test_a_shortcut_stays_as_it_is(torch_bench: Callable) -> None:
    changed = {e.layer for e in torch_bench(SHORTCUT).edits if e.operation == "insert_block"}
    assert changed == {"stem", "conv", "last"}
    larger = {e.layer for e in torch_bench(SHORTCUT).edits if e.arguments.get("from") == "1x1"}
    assert larger == {"conv", "last"}


PRE_NORM = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.norm = nn.BatchNorm2d(16)
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.act = nn.GELU()
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.patches(x)
        x = x + self.act(self.conv(self.norm(x)))
        return self.head(x.mean((2, 3)))
"""


def test_a_bias_stays_where_a_shortcut_passes_the_norm_by(torch_bench: Callable) -> None:
    lines = torch_bench(PRE_NORM).edited("insert_block", "patches", block="conv-bn")
    assert lines[-2] == "+            nn.Conv2d(16, 16, kernel_size=3, padding=1),"


DENSE = """\
from keras import Sequential, layers

model = Sequential([
    layers.Input((32, 32, 3)),
    layers.Flatten(),
    layers.Dense(16, use_bias=False),
    layers.BatchNormalization(),
    layers.Activation("relu"),
    layers.Dense(10),
])
"""


@pytest.mark.tensorflow
def test_a_dense_layer_before_a_norm_is_doubled_with_the_norm(keras_bench: Callable) -> None:
    lines = keras_bench(DENSE).edited("insert_block", block="dense")
    assert [line.strip("+ ") for line in lines] == [
        "layers.Dense(16, use_bias=False),",
        "layers.BatchNormalization(),",
        'layers.Activation("relu"),',
    ]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("own", "new"),
    [
        ("layers.add([x, y])", "x = layers.add([layers.Conv2D(8, 3, padding='same')(x), x])"),
        ("layers.Add(name='sum')([x, y])", "x = layers.Add()([layers.Conv2D(8, 3, padding='same')(x), x])"),
        ("x + y", "x = layers.Conv2D(8, 3, padding='same')(x) + x"),
    ],
)
def test_a_keras_file_adds_as_it_does(keras_bench: Callable, own: str, new: str) -> None:
    source = f"""\
import keras
from keras import layers

inputs = layers.Input((32, 32, 3))
x = layers.Conv2D(8, 3)(inputs)
x = layers.Conv2D(8, 3, padding='same')(x)
y = layers.Conv2D(8, 1)(x)
x = {own}
x = layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, layers.Dense(10)(x))
"""
    assert f"+{new}" in keras_bench(source).edited("add_skip", "conv2d_1")


NAMED = """\
import keras
from keras import layers


def block(x, prefix):
    x = layers.Conv2D(8, 3, name=prefix + "conv")(x)
    x = layers.BatchNormalization(name=prefix + "bn")(x)
    return layers.ReLU()(x)


inputs = layers.Input((32, 32, 3))
x = block(block(inputs, "first_"), "second_")
x = layers.Conv2D(8, 3, name="last_conv")(x)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dense(16, activation="relu", name='hidden')(x)
x = layers.Dense(10, NAME)(x)
model = keras.Model(inputs, x)
"""


@pytest.mark.tensorflow
def test_new_layers_have_names_where_all_around_have(keras_bench: Callable) -> None:
    bench = keras_bench(NAMED.replace("NAME", 'name="last_conv_norm"'))
    assert bench.edited("insert_block", "first_conv", block="conv-bn") == [
        '+    x = layers.BatchNormalization(name=prefix + "conv_norm")(x)',
        '+    x = layers.ReLU(name=prefix + "conv_act")(x)',
        '+    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name=prefix + "conv_conv")(x)',
    ]
    assert bench.edited("add_norm", "last_conv") == [
        '+x = layers.BatchNormalization(name="last_conv_norm2")(x)',
    ]
    assert bench.edited("add_dropout", "hidden") == ["+x = layers.Dropout(0.3, name='hidden_dropout')(x)"]


@pytest.mark.tensorflow
def test_new_layers_have_no_names_where_some_have_none(keras_bench: Callable) -> None:
    bench = keras_bench(NAMED.replace("NAME", 'activation="softmax"'))
    assert bench.edited("add_norm", "last_conv") == ["+x = layers.BatchNormalization()(x)"]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("own", "new"),
    [
        ("8, 3", "8, 3"),
        ("8, (3, 3)", "8, (3, 3)"),
        ("8, kernel_size=3", "8, kernel_size=3"),
        ("filters=8, kernel_size=(5, 5)", "filters=8, kernel_size=(3, 3)"),
    ],
)
def test_a_new_convolution_is_written_as_its_neighbour(keras_bench: Callable, own: str, new: str) -> None:
    source = NAMED.replace("NAME", "activation='softmax'").replace('8, 3, name="last', f'{own}, name="last')
    lines = keras_bench(source).edited("insert_block", "last_conv", block="separable")
    assert f'+x = layers.SeparableConv2D({new}, padding="same", use_bias=False)(x)' in lines
