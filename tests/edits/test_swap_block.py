"""Blocks of the file's own: another in the place of one, and a sum without one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BLOCKS = """\
from torch import nn


class Conv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class Pool(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.MaxPool2d(3, stride=1, padding=1))


class Stem(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 3))


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.left = Conv(width)
        self.right = Pool(width)

    def forward(self, x):
        return self.left(x) + self.right(x)


class Other(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.left = Pool(width)

    def forward(self, x):
        return self.left(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = Stem(3, 8)
        self.cell = Cell(8)
        self.other = Other(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.other(self.cell(self.stem(x))).mean((2, 3)))
"""


def test_another_block_takes_the_place_of_one(torch_bench: Callable) -> None:
    bench = torch_bench(BLOCKS)
    lines = bench.edited("swap_block", "cell.left", to="Pool")
    assert lines == ["-        self.left = Conv(width)", "+        self.left = Pool(width)"]
    lines = bench.edited("swap_block", "cell.right", to="Conv")
    assert lines == ["-        self.right = Pool(width)", "+        self.right = Conv(width)"]


def test_blocks_with_other_arguments_and_the_network_do_not_take_part(torch_bench: Callable) -> None:
    swaps = [edit.arguments for edit in torch_bench(BLOCKS).edits if edit.operation == "swap_block"]
    assert {"Stem", "Net"}.isdisjoint({swap["from"] for swap in swaps} | {swap["to"] for swap in swaps})
    # A cell of several blocks is never replaced, though its arguments are those of a block.
    assert "Cell" not in {swap["from"] for swap in swaps}


def test_a_sum_loses_a_branch(torch_bench: Callable) -> None:
    lines = torch_bench(BLOCKS).edited("drop_branch", "left")
    assert lines == [
        "-        self.left = Conv(width)",
        "-        return self.left(x) + self.right(x)",
        "+        return self.right(x)",
    ]


def test_a_branch_that_all_before_it_is_for_stays(torch_bench: Callable) -> None:
    def dropped(*pairs: tuple[str, str]) -> set[str]:
        source = BLOCKS
        for old, new in pairs:
            assert old in source
            source = source.replace(old, new, 1)
        return {edit.layer for edit in torch_bench(source).edits if edit.operation == "drop_branch"}

    total = "return self.left(x) + self.right(x)"
    assert dropped() == {"left", "right"}
    path = ("        self.right =", "        self.path = nn.Identity()\n        self.right =")
    assert dropped(path, (total, "return self.path(self.left(x)) + self.right(x)")) == {"right"}
    named = "y = self.left(x)\n        return y + self.right(x)"
    assert dropped((total, named)) == {"right"}
    more = "y = self.left(x)\n        z = y * self.right(x)\n        return y + self.right(x)"
    assert dropped((total, more)) == {"right", "y"}


@pytest.mark.parametrize(
    "steps",
    [
        ["return x + self.right(self.left(x))"],
        ["x = self.left(x)", "return self.left(x) + self.right(x) + x"],
        ["x = self.left(x)", "y: object = x * 2", "y += 1", "return self.right(y) + x"],
        ["y = x", "x = y + self.left(x)", "y = x", "x, _ = x.relu(), 0", "return y + self.right(x)"],
    ],
)
def test_the_identity_beside_a_branch_computed_from_it_stays(torch_bench: Callable, steps: list[str]) -> None:
    source = BLOCKS.replace("return self.left(x) + self.right(x)", "\n        ".join(steps))
    dropped = {edit.layer for edit in torch_bench(source).edits if edit.operation == "drop_branch"}
    assert dropped.isdisjoint("xy")


def test_a_layer_that_runs_again_is_still_constructed(torch_bench: Callable) -> None:
    again = BLOCKS.replace(
        "return self.left(x) + self.right(x)", "return self.left(self.left(x)) + self.right(x)"
    )
    lines = torch_bench(again).edited("drop_branch", "left")
    assert len(lines) == 2 and "+        return self.right(x)" in lines


def test_a_constructor_stays_where_something_else_may_read_it(torch_bench: Callable) -> None:
    def dropped(source: str) -> set[str]:
        return {edit.layer for edit in torch_bench(source).edits if edit.operation == "drop_branch"}

    more = "\n\nclass Probe(Cell):\n    def look(self):\n        return self.left\n"
    assert dropped(BLOCKS + more) == {"right"}
    assert dropped(BLOCKS + "\n\ndef start(net):\n    net.cell.right.requires_grad_(False)\n") == {"left"}
    shared = "        self.left = Conv(width); self.right = Pool(width)\n"
    assert not dropped(
        BLOCKS.replace("        self.left = Conv(width)\n        self.right = Pool(width)\n", shared)
    )
    typed = "        self.left: nn.Module = Conv(width)\n"
    assert torch_bench(BLOCKS.replace("        self.left = Conv(width)\n", typed)).edited(
        "drop_branch", "left"
    )[0] == ("-        self.left: nn.Module = Conv(width)")


def test_blocks_of_one_name_in_two_classes_are_told_apart(torch_bench: Callable) -> None:
    edits = [edit for edit in torch_bench(BLOCKS).edits if edit.operation == "swap_block"]
    assert {edit.layer for edit in edits} >= {"cell.left", "cell.right", "other.left"}


STAGES = """\
from torch import nn


class Gate(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.relu = nn.ReLU6(inplace)

    def forward(self, x):
        return self.relu(x + 3) / 6


class Swish(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.gate = Gate(inplace)

    def forward(self, x):
        return x * self.gate(x)


class Conv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


class Down(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.conv = Conv(inputs, outputs)

    def forward(self, x):
        return self.conv(self.pool(x))


class Wide(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 5, padding=2), nn.ReLU())


class Out(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = Conv(3, 8)
        self.down = Down(8, 8)
        self.swish = Swish()
        self.wide = Wide(8, 8)
        self.out = Out(8, 2)

    def forward(self, x):
        return self.out(self.wide(self.swish(self.down(self.stem(x)))))
"""


def test_blocks_that_do_something_else_to_the_shape_do_not_take_part(torch_bench: Callable) -> None:
    edits = [edit for edit in torch_bench(STAGES).edits if edit.operation == "swap_block"]
    swaps = {(edit.layer, edit.arguments["to"]) for edit in edits}
    assert swaps == {("stem", "Wide"), ("wide", "Conv"), ("down.conv", "Wide")}


def test_a_block_that_did_not_run_is_a_choice(torch_bench: Callable) -> None:
    unused = STAGES.replace("self.down = Down(8, 8)", "self.down = nn.MaxPool2d(2)")
    edits = [edit for edit in torch_bench(unused).edits if edit.operation == "swap_block"]
    assert {edit.arguments["to"] for edit in edits} == {"Conv", "Down", "Wide"}
