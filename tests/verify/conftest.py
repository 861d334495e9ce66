from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas_assistant.sources import Sandbox

# Models of 1 x 8 x 8 images: NARROW sees them through two numbers, WIDE through sixty-four.
TORCH = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.drop = nn.Dropout(0.1)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.drop(self.hidden(x.flatten(1))))))
"""
KERAS = """\
import keras
from keras import layers

inputs = keras.Input((8, 8, 1))
x = layers.Flatten()(inputs)
x = layers.Dropout(0.1)(layers.Dense(WIDTH)(x))
x = layers.ReLU()(layers.BatchNormalization()(x))
model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
"""
NARROW, WIDE = 2, 64

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model file of some width."""

    def write(name: str = "model.py", width: int = WIDE, text: str = TORCH) -> Path:
        path = tmp_path / name
        path.write_text(text.replace("WIDTH", str(width)))
        return path

    return write


@pytest.fixture(scope="session")
def warm() -> Iterator[Sandbox]:
    with Sandbox("torch") as sandbox:
        yield sandbox


@pytest.fixture
def shared_sandbox(warm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Lets every bench of a test use one warm sandbox, which spares its start."""
    monkeypatch.setattr("nas_assistant.verify._bench.Sandbox", lambda framework: warm)
    monkeypatch.setattr(warm, "close", lambda: None)
    return warm
