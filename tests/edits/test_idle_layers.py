"""Layers that give what they read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SOURCE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, rate=0.0):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), LAYER, nn.Conv2d(8, 8, 3), nn.Tanh())
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.mark.parametrize(
    ("idle", "busy", "operations"),
    [
        ("nn.Dropout(p=0.0)", "nn.Dropout(p=0.5)", {"drop_dropout"}),
        ("nn.Dropout2d(0)", "nn.Dropout2d(0.1)", {"drop_dropout"}),
        ("nn.AvgPool2d(1)", "nn.AvgPool2d(3, 1, 1)", {"remove_layer", "swap_pool"}),
        ("nn.AvgPool2d((1, 1), stride=1)", "nn.AvgPool2d(3, 1, 1)", {"remove_layer", "swap_pool"}),
    ],
)
def test_a_layer_that_does_nothing_is_not_taken_away(
    torch_bench: Callable, idle: str, busy: str, operations: set[str]
) -> None:
    for layer, wanted in ((idle, set()), (busy, operations)):
        edits = torch_bench(SOURCE.replace("LAYER", layer)).edits
        own = {edit.operation for edit in edits if edit.layer == "body.2"}
        assert own & {"drop_dropout", "remove_layer", "swap_pool"} == wanted


def test_dropout_is_switched_on_rather_than_added_beside_itself(torch_bench: Callable) -> None:
    off = SOURCE.replace("LAYER", "nn.Dropout2d(p=0.0)")
    assert torch_bench(off).edited("add_dropout", "body.1") == [
        f"-{off.splitlines()[6]}",
        f"+{off.splitlines()[6].replace('p=0.0', 'p=0.1')}",
    ]
    setting = torch_bench(SOURCE.replace("LAYER", "nn.Dropout2d(rate)"))
    added = {edit.layer for edit in setting.edits if edit.operation == "add_dropout"}
    assert added == {"body.4"}


@pytest.mark.tensorflow
def test_a_keras_layer_that_does_nothing_is_not_taken_away(keras_bench: Callable) -> None:
    source = """\
from keras import Sequential, layers

model = Sequential([
    layers.Input((32, 32, 3)),
    layers.Conv2D(8, 3, activation="relu"),
    layers.Dropout(0.0),
    layers.MaxPooling2D(1),
    layers.Activation("linear"),
    layers.GlobalAveragePooling2D(),
    layers.Dense(10),
])
"""
    bench = keras_bench(source)
    gone = {"drop_dropout", "remove_layer", "swap_pool"}
    assert not [edit.describe() for edit in bench.edits if edit.operation in gone]
    busy = keras_bench(source.replace("MaxPooling2D(1)", "MaxPooling2D(3, 1, 'same')"))
    assert gone & {edit.operation for edit in busy.edits}
