"""Small networks to try edit operations and generators on."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from nas_assistant.graphs import ComputationalGraph, record_creation

_SEQUENTIAL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1),  # first
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 16 -> 8
            nn.Conv2d(16, 16, (3, 3), padding="same"),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(24 * 2 * 2, 32)  # hidden
        self.out = nn.Linear(32, 10)

    def forward(self, x):
        x = self.pool(self.features(x))
        x = torch.flatten(x, 1)
        x = self.drop(torch.tanh(self.fc(x)))
        return self.out(x)
"""

_BLOCKS = """\
import torch.nn as nn
import torch.nn.functional as F


class Conv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return F.relu(self.conv(x))


class Pool(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.MaxPool2d(3, stride=1, padding=1))


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.left = Conv(width)
        self.right = Pool(width)

    def forward(self, x):
        return self.left(x) + self.right(x)


def stage(cfg, layers):
    channels = 3
    for entry in cfg:
        if entry == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
            channels = entry
    return nn.Sequential(*layers)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = stage([16, "M", 32], [])
        self.blocks = nn.ModuleList([Conv(32) for _ in range(2)])
        self.cell = Cell(32)
        self.conv = nn.Conv2d(32, 32, 1)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.stage(x)
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.conv(self.cell(x)))
        return self.head(x.mean((2, 3)))
"""

_KERAS = """\
import keras
from keras import layers


def model():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(10)(x))
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The source of a network.

    Attributes:
        source: The file.
        framework: ``torch`` or ``keras``.
        entry: Name of the class or function that builds it.
        input_shape: Shape of one sample of its input, channels first.
    """

    source: str
    framework: str = "torch"
    entry: str = "Net"
    input_shape: tuple[int, ...] = (3, 16, 16)

    def graph(self, source: str | None = None) -> ComputationalGraph:
        """The graph of the sample, or of an edited source of it.

        It is built in this process: the source is this package's or the caller's own, never a user's.
        """
        return _graph(self, self.source if source is None else source)


@cache
def _graph(sample: Sample, source: str) -> ComputationalGraph:
    importlib.import_module(sample.framework)  # creation is recorded of frameworks that are loaded
    with record_creation():
        namespace: dict[str, Any] = {"__name__": "sample"}
        exec(compile(source, "sample.py", "exec"), namespace)
        model = namespace[sample.entry]()
    if sample.framework == "keras":
        from nas_assistant.graphs import read_keras

        return read_keras(model, (*sample.input_shape[1:], sample.input_shape[0]))
    import torch

    from nas_assistant.graphs import read_torch

    batch = torch.zeros(2, *sample.input_shape)
    model(batch)  # as it trains
    return read_torch(model.eval(), batch)


TORCH_SAMPLES = (Sample(_SEQUENTIAL), Sample(_BLOCKS))
KERAS_SAMPLES = (Sample(_KERAS, "keras", "model"),)
