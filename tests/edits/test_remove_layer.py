"""What goes along with a layer that is taken out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_assistant.edits import Edit

from .bench import Workbench, choose


def net(body: str, forward: str = "self.body(x)") -> str:
    return f"""\
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{body}
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head({forward}.mean((2, 3)))
"""


def removals(bench: Workbench) -> dict[str, Edit]:
    return {edit.layer: edit for edit in bench.edits if edit.operation == "remove_layer"}


@pytest.mark.parametrize(
    ("row", "layer", "left"),
    [
        ("conv(3), norm, relu, conv(8), norm", 3, "conv(3), norm, relu"),
        ("conv(3), norm, relu, conv(8), norm, relu, conv(8)", 3, "conv(3), norm, relu, conv(8)"),
        ("conv(3), norm, relu, drop, conv(8), norm, silu", 4, "conv(3), norm, relu, drop"),
        ("conv(3), relu, norm, conv(8), relu, norm", 3, "conv(3), relu, norm"),
        ("conv(3), norm, conv(8), norm, relu", 2, "conv(3), norm, relu"),
        ("conv(3), relu, conv(8), norm, relu", 2, "conv(3), relu, norm, relu"),
        ("conv(3), relu, pool, conv(8), norm, relu", 3, "conv(3), relu, pool, norm, relu"),
    ],
)
def test_what_would_stand_twice_goes_with_a_layer(
    torch_bench: Callable, row: str, layer: int, left: str
) -> None:
    written = {
        "conv(3)": "nn.Conv2d(3, 8, 3)",
        "conv(8)": "nn.Conv2d(8, 8, 1)",
        "norm": "nn.BatchNorm2d(8)",
        "relu": "nn.ReLU()",
        "silu": "nn.SiLU()",
        "pool": "nn.MaxPool2d(2)",
        "drop": "nn.Dropout(0.1)",
    }
    for between, end in ((", ", ""), (",\n            ", ",\n        ")):

        def source(names: str, between: str = between, end: str = end) -> str:
            start = between[1:].lstrip(" ") if end else ""
            layers = between.join(written[name] for name in names.split(", "))
            return net(f"        self.body = nn.Sequential({start}{layers}{end})")

        bench = torch_bench(source(row))
        text = bench.apply(choose(bench.edits, "remove_layer", f"body.{layer}"))
        bench.check(text)
        assert text == source(left)


BLOCK = """\
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.conv = nn.Conv2d(8, 8, 1)
        self.norm = nn.BatchNorm2d(8)"""


def test_a_whole_container_becomes_one_identity(torch_bench: Callable) -> None:
    bench = torch_bench(net(BLOCK, "self.norm(self.conv(self.block(self.stem(x))))"))
    assert bench.edited("remove_layer", "block.0", what="conv, batch_norm, relu") == [
        "-        self.block = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU())",
        "+        self.block = nn.Sequential(nn.Identity())",
    ]
    assert bench.edited("remove_layer", "conv", what="conv, batch_norm") == [
        "-        self.conv = nn.Conv2d(8, 8, 1)",
        "-        self.norm = nn.BatchNorm2d(8)",
        "+        self.conv = nn.Identity()",
        "+        self.norm = nn.Identity()",
    ]


def test_a_layer_stays_where_what_it_would_repeat_cannot_go(torch_bench: Callable) -> None:
    twice = torch_bench(net(BLOCK, "self.norm(self.norm(self.conv(self.block(self.stem(x)))))"))
    function = torch_bench(net(BLOCK, "F.relu(self.norm(self.conv(self.block(self.stem(x)))))"))
    for bench in (twice, function):
        assert set(removals(bench)) == {"block.0"}


def test_what_stands_twice_at_some_uses_of_a_block_stays(torch_bench: Callable) -> None:
    source = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(8, 8, 1)
        self.norm1 = nn.BatchNorm2d(8)
        self.active = nn.ReLU()
        self.second = nn.Conv2d(8, 8, 1)
        self.norm2 = nn.BatchNorm2d(8)

    def forward(self, x):
        return x + self.norm2(self.second(self.active(self.norm1(self.first(x)))))


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), Block(), Block(), nn.Flatten())
"""
    bench = torch_bench(source)
    told = {layer: edit.arguments["what"] for layer, edit in removals(bench).items()}
    assert told == {"2.first": "conv", "2.second": "conv, batch_norm"}


def test_a_sum_does_not_overwrite_what_is_still_needed(torch_bench: Callable) -> None:
    source = net(BLOCK).replace(
        "        return self.head(self.body(x)",
        "        x = self.block(self.stem(x))\n        y = self.norm(self.conv(x))\n"
        "        y += x\n        return self.head(y",
    )
    assert torch_bench(source).edited("remove_layer", "conv")[-2:] == [
        "-        y += x",
        "+        y = y + x",
    ]
    assert "conv" not in removals(torch_bench(source.replace("y += x", "y += x if True else 2 * x")))


@pytest.mark.tensorflow
def test_statements_of_keras_layers_go_together(keras_bench: Callable) -> None:
    source = """\
from tensorflow.keras import Input, Model, layers

inputs = x = Input((32, 32, 3))
x = layers.Conv2D(8, 3)(x)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
x = layers.Conv2D(8, 1)(x)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
x = layers.GlobalAveragePooling2D()(x)
model = Model(inputs, layers.Dense(10)(x))
"""
    assert keras_bench(source).edited("remove_layer", "conv2d_1") == [
        "-x = layers.Conv2D(8, 1)(x)",
        "-x = layers.BatchNormalization()(x)",
        "-x = layers.ReLU()(x)",
    ]
    loop = source.replace(
        "x = layers.Conv2D(8, 1)(x)\nx = layers.BatchNormalization()(x)\nx = layers.ReLU()(x)\n",
        "for _ in range(2):\n    x = layers.Conv2D(8, 1)(x)\n"
        "    x = layers.BatchNormalization()(x)\n    x = layers.ReLU()(x)\n",
    )
    assert not removals(keras_bench(loop))


SELF_MADE = """\
from torch import nn


class ConvNorm(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.BatchNorm2d(outputs), nn.Tanh())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvNorm(3, 8)
        self.last = ConvNorm(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.last(self.stem(x)).mean((2, 3)))
"""


@pytest.mark.parametrize("constructor", ["super()", "super(ConvNorm, self)"])
def test_a_layer_of_which_a_sequential_makes_itself_goes_whole(
    torch_bench: Callable, constructor: str
) -> None:
    source = SELF_MADE.replace("super().__init__(nn", f"{constructor}.__init__(nn")
    lines = torch_bench(source).edited("remove_layer", "stem.1")
    assert len(lines) == 2 and lines[1] == lines[0].replace(", nn.ReLU()", "").replace("-", "+", 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        self.head =", "        nn.init.ones_(self.last[2].weight)\n        self.head ="),
        (
            "\n\nclass Net",
            "        nn.init.ones_(self[2].weight)\n\n\nclass Net",
        ),
        (
            "\n\nclass Net",
            "\n    def forward(self, x):\n        return super().forward(x)\n\n\nclass Net",
        ),
    ],
)
def test_but_not_where_its_places_may_count(torch_bench: Callable, old: str, new: str) -> None:
    lines = torch_bench(SELF_MADE.replace(old, new)).edited("remove_layer", "stem.1")
    assert lines[1] == lines[0].replace("ReLU()", "Identity()").replace("-", "+", 1)


@pytest.mark.parametrize(("layer", "stays"), [("ReLU", True), ("ReLU6", True), ("SiLU", False)])
def test_an_activation_stays_that_names_its_class(torch_bench: Callable, layer: str, stays: bool) -> None:
    source = SELF_MADE.replace("ConvNorm", "ConvBNRelu").replace("nn.ReLU(", f"nn.{layer}(")
    assert ("stem.1" not in removals(torch_bench(source))) is stays
