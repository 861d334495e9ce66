"""What comes between a layer and its repetition."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .bench import choose

SOURCE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.norm = NORM
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.norm(self.fc(x)).relu()).mean(AXES)
"""


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        ("nn.LayerNorm(width, eps=1e-6)", (8,)),
        ("nn.LayerNorm((5, 8))", (5, 8)),
        ("nn.GroupNorm(4, num_channels=width)", (8,)),
        ("nn.BatchNorm1d(width, affine=False)", (8,)),
    ],
)
def test_the_norm_is_of_the_kind_behind_the_layer(
    torch_bench: Callable, norm: str, shape: tuple[int, ...]
) -> None:
    source = (
        SOURCE.replace("NORM", norm).replace("AXES", "-2")
        if len(shape) == 2
        else (SOURCE.replace("NORM", norm).replace(".mean(AXES)", ""))
    )
    bench = torch_bench(source, shape=shape)
    text = bench.apply(choose(bench.edits, "repeat_layer", "fc"))
    bench.check(text)
    layers = f"nn.Linear(width, width), {norm}, nn.ReLU(), nn.Linear(width, width)"
    assert layers in " ".join(text.split())


def test_a_layer_whose_norm_cannot_stand_between_is_not_repeated(torch_bench: Callable) -> None:
    source = SOURCE.replace("NORM", "nn.LayerNorm(40)").replace("self.fc(x))", "self.fc(x).flatten(1))")
    source = source.replace("nn.Linear(width, 10)", "nn.Linear(40, 10)").replace(".mean(AXES)", "")
    assert not [edit for edit in torch_bench(source, shape=(5, 8)).edits if edit.operation == "repeat_layer"]
