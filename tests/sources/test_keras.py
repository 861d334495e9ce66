from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas_assistant.errors import ModelError
from nas_assistant.sources import Limits, Sandbox, inspect_model, read_samples

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

SEQUENTIAL = """\
import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input(({shape})),
        layers.Conv2D(4, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    ]
)
"""

SUBCLASS = """\
import keras
from keras import layers


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(4, 3)
        self.flat = layers.Flatten()
        self.head = layers.Dense(10)

    def call(self, x):
        return self.head(self.flat(self.conv(x)))
"""

DATA = """\
import tensorflow as tf

data = tf.data.Dataset.from_tensor_slices((tf.zeros((6, 12, 14, 3)), tf.zeros(6))).batch(4).prefetch(2)
"""


@pytest.fixture(scope="module")
def keras() -> Iterator[Sandbox]:
    with Sandbox("keras", Limits(seconds=20)) as sandbox:
        yield sandbox


def test_a_model_with_an_input_layer(write: Callable[..., Path], keras: Sandbox) -> None:
    inspection = inspect_model(write(SEQUENTIAL.format(shape="20, 24, 3")), sandbox=keras)
    assert (inspection.entry, inspection.framework) == ("model", "keras")
    assert (inspection.input_shape, inspection.output_shape) == ((3, 20, 24), (10,))
    assert inspection.notes == ("input shape 3,20,24 (from the model's Input layer)",)
    conv = inspection.graph.weighted_nodes[0]
    assert conv.created is not None and conv.created.line == 7


def test_its_own_input_layer_wins(write: Callable[..., Path], keras: Sandbox) -> None:
    path = write(SEQUENTIAL.format(shape="20, 24, 3"))
    inspection = inspect_model(path, input_shape=(1, 28, 28), sandbox=keras)
    assert inspection.input_shape == (3, 20, 24)
    assert "3,20,24, not 1,28,28" in inspection.notes[0]


def test_open_sizes_are_filled_in(write: Callable[..., Path], keras: Sandbox) -> None:
    path = write(SEQUENTIAL.format(shape="None, None, 3"))
    assert inspect_model(path, input_shape=(3, 16, 18), sandbox=keras).input_shape == (3, 16, 18)


@pytest.mark.parametrize("shape", ["3, 20, 24", "3, None, None"])
def test_layers_with_their_channels_first(write: Callable[..., Path], keras: Sandbox, shape: str) -> None:
    text = SEQUENTIAL.format(shape=shape)
    for of in ("Conv2D(4, 3, ", "GlobalAveragePooling2D("):
        text = text.replace(of, f'{of}data_format="channels_first", ')
    path = write(text)
    size = (32, 32) if "None" in shape else (20, 24)
    inspection = inspect_model(path, sandbox=keras)
    assert (inspection.input_shape, inspection.graph.input_shape) == ((3, *size), (3, *size))
    assert inspection.notes == (f"input shape 3,{size[0]},{size[1]} (from the model's Input layer)",)
    data = write("import numpy\ndata = numpy.zeros((4, 3, 20, 24)), numpy.zeros(4)\n", "data.py")
    assert inspect_model(path, data=f"{data}:data", sandbox=keras).input_shape == (3, 20, 24)


def test_a_subclass(write: Callable[..., Path], keras: Sandbox) -> None:
    path = write(SUBCLASS)
    assert inspect_model(path, sandbox=keras).input_shape == (3, 32, 32)
    assert inspect_model(path, input_shape=(1, 28, 28), sandbox=keras).input_shape == (1, 28, 28)


def test_a_tensorflow_data_set(write: Callable[..., Path], keras: Sandbox) -> None:
    data = write(DATA, "data.py")
    inspection = inspect_model(write(SUBCLASS), data=f"{data}:data", sandbox=keras)
    assert inspection.input_shape == (3, 12, 14)
    assert inspection.notes[0] == "input shape 3,12,14 (from data.py:data)"


@pytest.mark.parametrize(
    ("old", "new", "kind", "line"),
    [
        ("self.conv(x)", "self.conv(self.flat(x))", "shape", 13),
        ("layers.Dense(10)", "layers.Dense()", "import", 10),
        ("import keras\n", "import keras, os; os.fork()\n", "import", 1),
    ],
)
def test_failures(
    write: Callable[..., Path], keras: Sandbox, old: str, new: str, kind: str, line: int
) -> None:
    with pytest.raises(ModelError) as caught:
        inspect_model(write(SUBCLASS.replace(old, new)), sandbox=keras)
    assert (caught.value.failure.kind, caught.value.failure.line) == (kind, line)
    assert str(caught.value).isprintable()


TWO = """\
    def call(self, image, meta, training):
        return self.head(self.flat(self.conv(image))) + meta
"""


@pytest.mark.parametrize(
    "call", [TWO, TWO.replace("image, meta, tr", "x, tr").replace(":\n", ":\n        image, meta = x\n")]
)
def test_two_inputs_are_told_and_those_of_input_layers_are_read(
    write: Callable[..., Path], keras: Sandbox, call: str
) -> None:
    text = SUBCLASS[: SUBCLASS.index("    def call")] + call
    with pytest.raises(ModelError) as caught:
        inspect_model(write(text), sandbox=keras)
    assert str(caught.value) == (
        "model.py:12: Net takes 2 inputs (image, meta), and only one is supported: wrap it in a class whose "
        "call takes one, or in a keras.Model of keras.Input layers, which may have several, and name that "
        "with --entry"
    )
    given = "a, b" if call == TWO else "[a, b]"
    text += "a, b = keras.Input((32, 32, 3)), keras.Input((10,))\n"
    text += f"model = keras.Model([a, b], Net()({given}, training=False))\n"
    assert inspect_model(write(text), entry="model", sandbox=keras).output_shape == (10,)


def test_arguments_of_a_class_that_do_not_fit(write: Callable[..., Path], keras: Sandbox) -> None:
    path = write(SUBCLASS.replace("__init__(self)", "__init__(self, width=4)"))
    with pytest.raises(ModelError, match=r"^model.py:6: Net has no argument 'widht', did you mean 'width'\?"):
        inspect_model(path, entry="Net(widht=8)", sandbox=keras)


def test_a_layer_is_told_with_what_to_make_of_it(write: Callable[..., Path], keras: Sandbox) -> None:
    text = SUBCLASS + "\n\nclass Scale(layers.Layer):\n    def call(self, x):\n        return 2 * x\n"
    with pytest.raises(ModelError) as caught:
        inspect_model(write(text), entry="Scale", sandbox=keras)
    assert caught.value.failure.line == 16
    assert str(caught.value) == (
        "model.py:16: Scale gives an object of type Scale, not an nn.Module or a keras.Model; "
        "wrap the layer in a keras.Sequential or a keras.Model; the file's models: Net (line 5)"
    )


@pytest.mark.parametrize(("vocabulary", "token"), [(9, 1), (1, 0)])
def test_tokens_are_not_padding(vocabulary: int, token: int) -> None:
    import keras

    from nas_assistant.sources.run_keras import _filled

    model = keras.Sequential([keras.layers.Embedding(vocabulary, 4, mask_zero=True)])
    assert _filled(model, (5,), True).tolist() == [[token] * 5] * 2


def test_a_sandbox_of_the_other_framework_is_left_alone(write: Callable[..., Path], keras: Sandbox) -> None:
    torch_file = write("from torch import nn\nmodel = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n")
    assert inspect_model(torch_file, sandbox=keras).framework == "torch"


BUILT = """\
import keras
from keras import layers


class Block(layers.Layer):
    def build(self, shape):
        self.conv = layers.Conv2D(4, 3)

    def call(self, x):
        return self.conv(x)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def call(self, x):
        return self.block(x)
"""

TEXT = """\
import keras
from keras import layers, ops


class Tokens(layers.Layer):
    def __init__(self):
        super().__init__()
        self.words = layers.Embedding(50, 8)
        self.places = layers.Embedding(128, 8)
        self.mix = layers.Dense(8)

    def call(self, x):
        return self.mix(self.words(x) + self.places(ops.arange(ops.shape(x)[-1])))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.tokens = Tokens()
        self.head = layers.Dense(4)

    def call(self, x):
        return self.head(ops.mean(self.tokens(x), axis=1))
"""

PATCHES = """\
import keras
from keras import layers, ops


class Patches(layers.Layer):
    def __init__(self):
        super().__init__()
        self.project = layers.Dense(8)
        self.places = layers.Embedding(1024, 8)

    def call(self, x):
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
        return self.project(x) + self.places(ops.arange(x.shape[1]))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.patches = Patches()
        self.head = layers.Dense(4)

    def call(self, x):
        return self.head(ops.mean(self.patches(x), axis=1))
"""

ARRAYS = """\
import numpy as np

images, labels = np.zeros((6, 12, 14, 3), "uint8"), np.zeros(6)


def batches():
    yield images, labels
"""


def test_layers_that_build_makes_know_their_line(write: Callable[..., Path], keras: Sandbox) -> None:
    conv = inspect_model(write(BUILT), entry="Net", sandbox=keras).graph.weighted_nodes[0]
    assert conv.created is not None and conv.created.line == 7


def test_an_embedding_in_a_layer_of_the_user_s_reads_tokens(
    write: Callable[..., Path], keras: Sandbox
) -> None:
    assert inspect_model(write(TEXT), entry="Net", sandbox=keras).input_shape == (16,)
    assert inspect_model(write(PATCHES), entry="Net", sandbox=keras).input_shape == (3, 32, 32)


@pytest.mark.parametrize("name", ["images", "batches"])
def test_arrays_with_channels_last(write: Callable[..., Path], keras: Sandbox, name: str) -> None:
    data = write(ARRAYS, "data.py")
    inspection = inspect_model(write(SUBCLASS), data=f"{data}:{name}", sandbox=keras)
    assert inspection.input_shape == (3, 12, 14)


def test_batches_by_number(write: Callable[..., Path], keras: Sandbox) -> None:
    text = """\
import keras
import numpy as np


class Data(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.full((4, 8, 8, 3), index / 10), np.full((4, 1), index)
"""
    path = write(text, "data.py")
    samples = read_samples(f"{path}:Data", count=20, sandbox=keras)
    assert samples.images.shape == (12, 3, 8, 8) and sorted(samples.labels) == [0] * 4 + [1] * 4 + [2] * 4
    few = [read_samples(f"{path}:Data", count=4, seed=seed, sandbox=keras) for seed in range(4)]
    assert len({int(one.labels[0]) for one in few}) > 1
