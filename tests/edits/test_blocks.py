"""Blocks that stand in containers: one more of them, and other widths that they are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_assistant.edits import growth, legal_changes
from nas_assistant.edits._context import EditContext

from .bench import choose, diff

RESIDUAL = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.conv(x)) + self.short(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.stage1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.stage2 = nn.Sequential(*[Block(8, 16, 2), Block(16, 16)])
        self.stage3 = nn.ModuleList([Block(16, 32, 2), Block(32, 32)])
        self.stage4 = nn.Sequential(Block(32, 48, 2), *[Block(48, 48) for _ in range(2)])
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        x = self.stage2(self.stage1(self.stem(x)))
        for block in self.stage3:
            x = block(x)
        return self.head(self.stage4(x).mean((2, 3)))
"""

TOLD = """\
import torch
from torch import nn


class Mix(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs // 2, 1)
        self.wide = nn.Conv2d(inputs, outputs - outputs // 2, 3, padding=1)

    def forward(self, x):
        return torch.relu(torch.cat([self.narrow(x), self.wide(x)], 1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3)
        self.first = Mix(32, 64)
        self.rest = nn.Sequential(Mix(64, 128), nn.Dropout(0.1), Mix(128, 128))
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.rest(self.first(self.stem(x))).mean((2, 3)))
"""

OF_PARTS = """\
import torch
from torch import nn


class Fire(nn.Module):
    def __init__(self, inputs, squeezed, one, three):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.one = nn.Conv2d(squeezed, one, 1)
        self.three = nn.Conv2d(squeezed, three, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.one(x), self.three(x)], 1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fires = nn.Sequential(Fire(3, 12, 64, 64), Fire(128, 16, 64, 64), Fire(128, 24, 96, 96))
        self.head = nn.Linear(192, 10)

    def forward(self, x):
        return self.head(self.fires(x).mean((2, 3)))
"""


def test_the_last_of_equal_blocks_in_a_container_is_built_once_more(torch_bench: Callable) -> None:
    bench = torch_bench(RESIDUAL)
    blocks = [
        edit.layer
        for edit in bench.edits
        if edit.operation == "repeat_layer" and not edit.layer.endswith("conv")
    ]
    # How many of the fourth stage there are, a loop says.
    assert blocks == ["stage1.1", "stage2.1", "stage3.1"]
    line = bench.edited("repeat_layer", "stage1.1")
    assert line == [
        "-        self.stage1 = nn.Sequential(Block(8, 8), Block(8, 8))",
        "+        self.stage1 = nn.Sequential(Block(8, 8), Block(8, 8), Block(8, 8))",
    ]
    for layer in blocks[1:]:
        more = bench.check(bench.apply(choose(bench.edits, "repeat_layer", layer)))
        assert len(more.weighted_nodes) == len(bench.graph.weighted_nodes) + 1


@pytest.mark.parametrize(("width", "to", "lines"), [(64, 96, 2), (128, 192, 2)])
def test_branches_go_along_with_the_width_that_their_block_is_told(
    torch_bench: Callable, width: int, to: int, lines: int
) -> None:
    bench = torch_bench(TOLD)
    edit = choose(bench.edits, "scale_width", from_=width, to=to)
    text = bench.apply(edit)
    assert len(diff(TOLD, text)) == 2 * lines
    grown = bench.check(text).parameters - bench.graph.parameters
    context = EditContext(TOLD, bench.graph, "torch")
    change = next(change for change in legal_changes(context) if change.edit == edit)
    assert growth(bench.graph, change).parameters == pytest.approx(grown, rel=0.01)


def test_a_sum_of_widths_that_are_written_is_not_scaled_alone(torch_bench: Callable) -> None:
    scaled = [edit for edit in torch_bench(OF_PARTS).edits if edit.operation == "scale_width"]
    assert {edit.arguments["from"] for edit in scaled} <= {12, 16, 24}
