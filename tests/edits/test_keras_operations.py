"""Operations on Keras source, before and after."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.tensorflow

FUNCTIONAL = """\
from tensorflow.keras import Model
from tensorflow.keras.layers import *

inputs = Input((32, 32, 3))
x = Conv2D(16, (3, 3), activation="relu")(inputs)  # first
x = MaxPooling2D()(x)
x = Conv2D(16, 3, padding="same")(x)
x = BatchNormalization()(x)
x = ReLU()(x)
x = Flatten()(x)
x = Dropout(0.5)(x)
x = Dense(units=32, activation='relu')(x)
x = Dense(32, activation='relu')(x)
model = Model(inputs, Dense(10, activation="softmax")(x))
"""

FUNCTIONAL_GOLDEN = [
    (
        ("widen", "conv2d", {"to": 24}),
        [
            '-x = Conv2D(16, (3, 3), activation="relu")(inputs)  # first',
            '+x = Conv2D(24, (3, 3), activation="relu")(inputs)  # first',
        ],
    ),
    (
        ("narrow", "dense", {"to": 24}),
        ["-x = Dense(units=32, activation='relu')(x)", "+x = Dense(units=24, activation='relu')(x)"],
    ),
    (
        ("change_activation", "conv2d", {"to": "gelu"}),
        [
            '-x = Conv2D(16, (3, 3), activation="relu")(inputs)  # first',
            '+x = Conv2D(16, (3, 3), activation="gelu")(inputs)  # first',
        ],
    ),
    (("change_activation", "re_lu", {"to": "swish"}), ["-x = ReLU()(x)", '+x = Activation("swish")(x)']),
    (
        ("change_kernel", "conv2d_1", {"to": "5x5"}),
        ['-x = Conv2D(16, 3, padding="same")(x)', '+x = Conv2D(16, 5, padding="same")(x)'],
    ),
    (
        ("change_kernel", "conv2d", {"to": "5x5"}),
        [
            '-x = Conv2D(16, (3, 3), activation="relu")(inputs)  # first',
            '+x = Conv2D(16, (5, 5), activation="relu")(inputs)  # first',
        ],
    ),
    (("add_norm", "conv2d", {}), ["+x = BatchNormalization()(x)"]),
    (("add_dropout", "max_pooling2d", {}), ["+x = SpatialDropout2D(0.1)(x)"]),
    (("drop_norm", "batch_normalization", {}), ["-x = BatchNormalization()(x)"]),
    (("drop_dropout", "dropout", {}), ["-x = Dropout(0.5)(x)"]),
    (("remove_layer", "dense_1", {}), ["-x = Dense(32, activation='relu')(x)"]),
    (("repeat_layer", "dense_1", {}), ["+x = Dense(32, activation='relu')(x)"]),
    (
        ("insert_block", "conv2d_1", {"block": "conv-bn"}),
        [
            '+x = Conv2D(16, 3, padding="same", use_bias=False)(x)',
            "+x = BatchNormalization()(x)",
            "+x = ReLU()(x)",
        ],
    ),
    (
        ("add_skip", "conv2d_1", {}),
        ['-x = Conv2D(16, 3, padding="same")(x)', '+x = Conv2D(16, 3, padding="same")(x) + x'],
    ),
    (("swap_pool", "max_pooling2d", {}), ["-x = MaxPooling2D()(x)", "+x = AveragePooling2D(2)(x)"]),
    (
        ("swap_conv", "conv2d_1", {}),
        ['-x = Conv2D(16, 3, padding="same")(x)', '+x = SeparableConv2D(16, 3, padding="same")(x)'],
    ),
]


@pytest.mark.parametrize(
    ("wanted", "lines"), FUNCTIONAL_GOLDEN, ids=[f"{a[0]}-{a[1]}" for a, _ in FUNCTIONAL_GOLDEN]
)
def test_functional(
    keras_bench: Callable, wanted: tuple[str, str, dict[str, object]], lines: list[str]
) -> None:
    operation, layer, arguments = wanted
    assert keras_bench(FUNCTIONAL).edited(operation, layer, **arguments) == lines


SEQUENTIAL = """\
import keras
from keras import layers


def model():
    net = keras.Sequential([
        keras.Input((32, 32, 3)),
        layers.Conv2D(8, 3, activation="relu"),  # first
        layers.MaxPooling2D(2),
    ])
    net.add(layers.Conv2D(16, 3, activation="relu"))
    net.add(layers.GlobalAveragePooling2D())
    net.add(layers.Dropout(0.2))
    net.add(layers.Dense(10))
    return net
"""

SEQUENTIAL_GOLDEN = [
    (("add_norm", "conv2d", {}), ["+        layers.BatchNormalization(),"]),
    (("add_norm", "conv2d_1", {}), ["+    net.add(layers.BatchNormalization())"]),
    (("drop_dropout", "dropout", {}), ["-    net.add(layers.Dropout(0.2))"]),
    (
        ("insert_block", "conv2d_1", {"block": "separable"}),
        [
            '+    net.add(layers.SeparableConv2D(16, 3, padding="same", use_bias=False))',
            "+    net.add(layers.BatchNormalization())",
            "+    net.add(layers.ReLU())",
        ],
    ),
]


@pytest.mark.parametrize(
    ("wanted", "lines"), SEQUENTIAL_GOLDEN, ids=[f"{a[0]}-{a[1]}" for a, _ in SEQUENTIAL_GOLDEN]
)
def test_sequential(
    keras_bench: Callable, wanted: tuple[str, str, dict[str, object]], lines: list[str]
) -> None:
    operation, layer, arguments = wanted
    assert keras_bench(SEQUENTIAL).edited(operation, layer, **arguments) == lines


SUBCLASSED = """\
import tensorflow as tf
from tensorflow.keras.layers import Conv2D, Dense, GlobalAveragePooling2D


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = Conv2D(8, 3)
        self.same = Conv2D(8, 3, padding="same")
        self.pool = GlobalAveragePooling2D()
        self.head = Dense(10)

    def call(self, x):
        x = tf.nn.relu(self.conv(x))
        x = tf.nn.relu(self.same(x))
        return self.head(self.pool(x))
"""

SUBCLASSED_GOLDEN = [
    (
        ("add_norm", "conv2d", {}),
        [
            "-from tensorflow.keras.layers import Conv2D, Dense, GlobalAveragePooling2D",
            "+from tensorflow.keras.layers import Conv2D, Dense, GlobalAveragePooling2D, BatchNormalization",
            "-        self.conv = Conv2D(8, 3)",
            "+        self.conv = tf.keras.Sequential([Conv2D(8, 3), BatchNormalization()])",
        ],
    ),
    (
        ("add_skip", "conv2d_1", {}),
        ["-        x = tf.nn.relu(self.same(x))", "+        x = tf.nn.relu(self.same(x) + x)"],
    ),
    (
        ("widen", "conv2d", {"to": 12}),
        ["-        self.conv = Conv2D(8, 3)", "+        self.conv = Conv2D(12, 3)"],
    ),
]


@pytest.mark.parametrize(
    ("wanted", "lines"), SUBCLASSED_GOLDEN, ids=[f"{a[0]}-{a[1]}" for a, _ in SUBCLASSED_GOLDEN]
)
def test_subclassed(
    keras_bench: Callable, wanted: tuple[str, str, dict[str, object]], lines: list[str]
) -> None:
    operation, layer, arguments = wanted
    assert keras_bench(SUBCLASSED, entry="Net").edited(operation, layer, **arguments) == lines


def test_residual_partners_widen_together(keras_bench: Callable) -> None:
    source = """\
from keras import Input, Model, layers

inputs = Input((8, 8, 3))
stem = layers.Conv2D(8, 3, padding="same")(inputs)
x = layers.Conv2D(8, 3, padding="same")(stem)
x = layers.Add()([x, stem])
x = layers.GlobalAveragePooling2D()(x)
model = Model(inputs, layers.Dense(10)(x))
"""
    lines = keras_bench(source, shape=(8, 8, 3)).edited("widen", to=12)
    assert [line for line in lines if line[0] == "+"] == [
        '+stem = layers.Conv2D(12, 3, padding="same")(inputs)',
        '+x = layers.Conv2D(12, 3, padding="same")(stem)',
    ]


def test_a_file_that_imports_both_packages_keeps_to_keras(keras_bench: Callable) -> None:
    source = SUBCLASSED.replace(
        "from tensorflow.keras.layers import", "import keras\nfrom keras.layers import"
    ).replace("tf.keras.Model", "keras.Model")
    assert keras_bench(source, entry="Net").edited("add_norm", "conv2d") == [
        "-from keras.layers import Conv2D, Dense, GlobalAveragePooling2D",
        "+from keras.layers import Conv2D, Dense, GlobalAveragePooling2D, BatchNormalization",
        "-        self.conv = Conv2D(8, 3)",
        "+        self.conv = keras.Sequential([Conv2D(8, 3), BatchNormalization()])",
    ]


def test_a_new_layer_starts_its_weights_as_the_one_before(keras_bench: Callable) -> None:
    options = "kernel_initializer='he_normal', kernel_regularizer=l2(1e-4)"
    source = "from keras.regularizers import l2\n" + FUNCTIONAL.replace(
        'x = Conv2D(16, 3, padding="same")', f'x = Conv2D(16, 3, padding="same", {options})'
    )
    bench = keras_bench(source)
    assert bench.edited("insert_block", "conv2d_1", block="conv-bn")[0] == (
        f'+x = Conv2D(16, 3, padding="same", use_bias=False, {options})(x)'
    )
    # A separable convolution names its kernels otherwise.
    assert "kernel_" not in bench.edited("insert_block", "conv2d_1", block="separable")[0]


def test_new_layers_are_set_up_as_the_file_s_own(keras_bench: Callable) -> None:
    norm = "momentum=MOMENTUM, epsilon=1e-5"
    source = FUNCTIONAL.replace("BatchNormalization()", f'BatchNormalization({norm}, name="n")')
    source = source.replace("ReLU()", 'LeakyReLU(negative_slope=0.1, name="a")')
    source = source.replace("inputs = Input", "MOMENTUM = 0.9\ninputs = Input")
    lines = keras_bench(source).edited("insert_block", "conv2d_1", block="conv-bn")
    assert lines[0] == f"+x = BatchNormalization({norm})(x)"
    assert lines[1] == "+x = LeakyReLU(negative_slope=0.1)(x)"
    local = source.replace("MOMENTUM = 0.9", "for MOMENTUM in (0.9,):\n    pass")
    lines = keras_bench(local).edited("insert_block", "conv2d_1", block="conv-bn")
    assert lines[0] == "+x = BatchNormalization(epsilon=1e-5)(x)"
    dense = FUNCTIONAL.replace("Dense(units=32, activation='relu')", "Dense(units=32, activation='elu')")
    assert keras_bench(dense).edited("insert_block", "dense") == ["+x = Dense(units=32, activation='elu')(x)"]
    functions = SUBCLASSED.replace("relu(", "elu(")
    lines = keras_bench(functions, entry="Net", shape=(3, 32, 32)).edited(
        "insert_block", "conv2d", block="conv-bn"
    )
    assert any('Activation("elu")' in line for line in lines)


def test_a_layer_without_its_norm_gets_its_bias_back(keras_bench: Callable) -> None:
    source = FUNCTIONAL.replace('3, padding="same")', '3, padding="same", use_bias=False)')
    assert keras_bench(source).edited("drop_norm", "batch_normalization") == [
        '-x = Conv2D(16, 3, padding="same", use_bias=False)(x)',
        "-x = BatchNormalization()(x)",
        '+x = Conv2D(16, 3, padding="same")(x)',
    ]


_NAMES = "BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input, ReLU"
STYLES = [
    ("from tensorflow import keras\nfrom tensorflow.keras import layers", "keras.", "layers."),
    ("import keras", "keras.", "keras.layers."),
    ("from keras import Input, Model, layers", "", "layers."),
    (f"from tensorflow.keras.models import Model\nfrom tensorflow.keras.layers import {_NAMES}", "", ""),
    (f"from keras.layers import {_NAMES}\nfrom keras.models import Model", "", ""),
    ("from tensorflow.keras.models import Model\nfrom tensorflow.keras.layers import *", "", ""),
    ("import tensorflow as tf", "tf.keras.", "tf.keras.layers."),
]
NETS = [
    """{imports}

class Net({package}Model):
    def __init__(self):
        super().__init__()
        self.first = {layers}Conv2D(8, 3, padding="same")
        self.second = {layers}Conv2D(8, 3, padding="same")
        self.pool = {layers}GlobalAveragePooling2D()
        self.hidden = {layers}Dense(16)
        self.head = {layers}Dense(10)

    def call(self, x):
        return self.head(self.hidden(self.pool(self.second(self.first(x)))))
""",
    """{imports}

def Net():
    inputs = {layers}Input((8, 8, 3))
    x = {layers}Conv2D(8, 3, padding="same")(inputs)
    x = {layers}ReLU()({layers}BatchNormalization()(x))
    x = {layers}Conv2D(8, 3, padding="same")(x)
    x = {layers}GlobalAveragePooling2D()(x)
    x = {layers}Dense(16)(x)
    return {package}Model(inputs, {layers}Dense(10)(x))
""",
]


@pytest.mark.parametrize("net", NETS, ids=["subclassed", "functional"])
@pytest.mark.parametrize(("imports", "package", "layers"), STYLES, ids=[style[0] for style in STYLES])
def test_what_an_edit_names_is_imported(
    keras_bench: Callable, net: str, imports: str, package: str, layers: str
) -> None:
    source = net.format(imports=imports, package=package, layers=layers)
    bench = keras_bench(source, entry="Net", shape=(8, 8, 3))
    own, written = {*re.findall(r"\w+", source), "False"}, {}
    for edit in (edit for edit in bench.edits if edit.shape_safe):
        text = bench.apply(edit)
        if new := {*re.findall(r"\b[A-Z]\w+", text)} - own:
            written.setdefault((edit.operation, *sorted(new)), text)
    assert len(written) >= 4
    for text in written.values():
        bench.check(text)


@pytest.mark.parametrize("models", ["Model", "Model, Sequential"])
def test_a_sequential_comes_from_the_package_of_the_layers(keras_bench: Callable, models: str) -> None:
    imports = f"from tensorflow.keras.models import {models}\nfrom tensorflow.keras.layers import {_NAMES}"
    bench = keras_bench(NETS[0].format(imports=imports, package="", layers=""), entry="Net", shape=(8, 8, 3))
    added = [line for line in bench.edited("insert_block", "dense") if "import" in line]
    own = [] if "Sequential" in models else ["+from tensorflow.keras import Sequential"]
    assert [line for line in added if "Sequential" in line] == own


def test_a_stride_becomes_smaller_and_never_larger(keras_bench: Callable) -> None:
    source = FUNCTIONAL.replace('Conv2D(16, 3, padding="same")', 'Conv2D(16, 3, padding="same", strides=2)')
    assert not [edit for edit in keras_bench(FUNCTIONAL).edits if edit.operation == "change_stride"]
    assert keras_bench(source).edited("change_stride", "conv2d_1") == [
        '-x = Conv2D(16, 3, padding="same", strides=2)(x)',
        '+x = Conv2D(16, 3, padding="same", strides=1)(x)',
    ]


def test_strings_have_the_quotes_of_the_file(keras_bench: Callable) -> None:
    source = FUNCTIONAL.replace('"', "'")
    (added, *_) = keras_bench(source).edited("insert_block", "conv2d_1", block="conv-bn")
    assert added == "+x = Conv2D(16, 3, padding='same', use_bias=False)(x)"


TOKENS = """\
from keras import Input, Model
from keras.layers import Activation, Attention, Conv2D, Dense, GlobalAveragePooling2D, ReLU

acts = {"relu": ReLU(), "swish": Activation("swish")}
again = ReLU()
inputs = Input((8, 8, 3))
x = acts["relu"](Conv2D(8, 1)(inputs))
x = again(Conv2D(8, 1)(x))
x = again(Dense(8)(x))
x = Dense(8, activation="relu")(x)
q = Dense(8)(x)
x = Attention()([q, x, x])
x = Dense(6, activation="relu")(x)
x = GlobalAveragePooling2D()(x)
model = Model(inputs, Dense(10)(x))
"""


def test_tables_shared_layers_and_vectors_of_a_map_are_minded(keras_bench: Callable) -> None:
    bench = keras_bench(TOKENS, shape=(8, 8, 3))
    changed = {edit.layer for edit in bench.edits if edit.operation == "change_activation"}
    assert changed == {"re_lu_1", "dense_1", "dense_3"}
    assert [edit.layer for edit in bench.edits if edit.operation == "add_dropout"] == ["dense_3"]
    assert bench.edited("add_dropout")[-1] == "+x = Dropout(0.1)(x)"
