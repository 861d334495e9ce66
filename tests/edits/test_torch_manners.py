"""What an engineer who reads the diff would not accept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_assistant.edits import EditError

from .bench import choose
from .test_torch_operations import SEQUENTIAL

GATED = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, dropout=0.3, divisor=8):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.squeeze = nn.Linear(8, 12)
        self.excite = nn.Linear(12, 8)
        self.pixel = nn.Conv2d(8, 8, 1)
        self.first, self.last = nn.Dropout(dropout), nn.Dropout(0.2)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.pointwise(self.depthwise(self.stem(x).relu())).relu()
        gate = torch.sigmoid(self.excite(self.squeeze(x.mean((2, 3))).relu()))
        x = x * gate[:, :, None, None]
        x = x * self.pixel(x.mean((2, 3), keepdim=True)).sigmoid()
        return self.head(self.last(self.first(x.mean((2, 3)))))
"""


def test_a_batch_of_one_can_still_be_trained(torch_bench: Callable) -> None:
    normed = [edit.layer for edit in torch_bench(GATED).edits if edit.operation == "add_norm"]
    assert sorted(normed) == ["depthwise", "pointwise", "stem"]
    # A network that normalises vectors may do so again.
    knows = SEQUENTIAL.replace("nn.Linear(24 * 2 * 2, 32)", "nn.Linear(24 * 2 * 2, 48)").replace(
        "self.out = nn.Linear(32, 10)",
        "self.out = nn.Sequential(nn.Linear(48, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))",
    )
    for source, layers in ((SEQUENTIAL, set()), (knows, {"fc"})):
        edits = torch_bench(source).edits
        normed = [edit.layer for edit in edits if edit.operation == "add_norm"]
        assert set(normed) & {"fc"} == layers


def test_nothing_comes_between_a_depthwise_convolution_and_its_pointwise_one(torch_bench: Callable) -> None:
    grown = {
        edit.layer
        for edit in torch_bench(GATED).edits
        if edit.operation in ("insert_block", "repeat_layer") and not edit.layer.startswith("squeeze")
    }
    assert "depthwise" not in grown and {"stem", "pointwise"} <= grown


def test_a_rate_that_is_a_setting_stays(torch_bench: Callable) -> None:
    dropped = [edit.layer for edit in torch_bench(GATED).edits if edit.operation == "drop_dropout"]
    assert dropped == ["last"]


def test_only_a_number_of_channels_is_scaled(torch_bench: Callable) -> None:
    source = GATED.replace("        self.stem", "        width = 8\n        self.stem").replace(
        ", 8", ", width"
    )
    bench = torch_bench(source)
    scaled = [edit for edit in bench.edits if edit.operation == "scale_width"]
    assert scaled and all("divisor=8" in bench.apply(edit) for edit in scaled)


def test_a_block_without_an_activation_is_not_repeated(torch_bench: Callable) -> None:
    source = """\
from torch import nn


class Own(nn.Module):
    def __init__(self, active):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.active = nn.ReLU() if active else nn.Identity()

    def forward(self, x):
        return self.active(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.linear = Own(False)
        self.active = Own(True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.active(self.linear(self.stem(x)).relu()).mean((2, 3)))
"""
    repeated = [edit.layer for edit in torch_bench(source).edits if edit.operation == "repeat_layer"]
    assert "active" in repeated and "linear" not in repeated


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        (
            "nn.Linear(\n            24 * 2 * 2,\n\n            32,\n        )",
            "nn.Linear(\n                24 * 2 * 2,\n\n                32,\n            )",
        ),
        (
            "nn.Linear(24 * 2 * 2,  # flat\n                            32)",
            "nn.Linear(24 * 2 * 2,  # flat\n                      32)",
        ),
    ],
    ids=["hanging", "aligned"],
)
def test_layers_behind_a_call_of_several_lines_get_lines_of_their_own(
    torch_bench: Callable, written: str, moved: str
) -> None:
    source = SEQUENTIAL.replace("nn.Linear(24 * 2 * 2, 32)", written)
    bench = torch_bench(source)
    text = bench.apply(choose(bench.edits, "insert_block", "fc", block="dense"))
    bench.check(text)
    more = "".join(f"            {layer},\n" for layer in (moved, "nn.SiLU()", "nn.Linear(32, 32)"))
    assert text == source.replace(written, f"nn.Sequential(\n{more}        )")


def test_two_edits_do_not_wrap_one_layer_twice(torch_bench: Callable) -> None:
    bench = torch_bench(GATED)
    norm = choose(bench.edits, "add_norm", "stem")
    block = choose(bench.edits, "insert_block", "stem", block="separable")
    with pytest.raises(EditError, match="does not go together with"):
        bench.apply(norm, block)
    bench.check(bench.apply(block, choose(bench.edits, "change_kernel", "stem", to="5x5")))


def test_a_line_of_layers_that_becomes_too_long_is_unfolded(torch_bench: Callable) -> None:
    row = "nn.Sequential(nn.Linear(24 * 2 * 2, 32), nn.GELU(), nn.Dropout(0.1), )"
    source = SEQUENTIAL.replace("nn.Linear(24 * 2 * 2, 32)", row).replace(
        "torch.tanh(self.fc(x))", "self.fc(x)"
    )
    assert torch_bench(source).edited("insert_block", "fc.0", block="dense") == [
        f"-        self.fc = {row}  # hidden",
        "+        self.fc = nn.Sequential(",
        "+            nn.Linear(24 * 2 * 2, 32),",
        "+            nn.GELU(),",
        "+            nn.Linear(32, 32),",
        "+            nn.GELU(),",
        "+            nn.Dropout(0.1),",
        "+        )  # hidden",
    ]


def test_a_line_of_layers_that_an_argument_makes_too_long_is_unfolded(torch_bench: Callable) -> None:
    row = "nn.Sequential(nn.Linear(24 * 2 * 2, 8), nn.GELU(), nn.Linear(8, 32), nn.Sigmoid())"
    source = SEQUENTIAL.replace("nn.Linear(24 * 2 * 2, 32)  # hidden", row)
    assert torch_bench(source).edited("widen", "fc.0", to=16) == [
        f"-        self.fc = {row}",
        "+        self.fc = nn.Sequential(",
        "+            nn.Linear(24 * 2 * 2, 16),",
        "+            nn.GELU(),",
        "+            nn.Linear(16, 32),",
        "+            nn.Sigmoid(),",
        "+        )",
    ]


def test_no_space_is_left_at_the_end_of_a_line(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace(
        'padding="same"),\n            nn.Batch', 'padding="same"), nn.Batch'
    ).replace(
        "nn.BatchNorm2d(16),\n            nn.ReLU(),",
        "nn.BatchNorm2d(16), nn.Dropout2d(0.1),\n            nn.ReLU(),",
    )
    lines = torch_bench(source).edited("drop_dropout", "features.5")
    assert lines[1].endswith("nn.BatchNorm2d(16),")


SHARED = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1)); self.b = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 8, 3, padding=1); self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.b(self.a(x)); x = self.last(x)
        return self.head(x.relu().mean((2, 3)))
"""


def test_statements_that_share_a_line_keep_it(torch_bench: Callable) -> None:
    bench = torch_bench(SHARED)
    assert {"widen", "change_kernel", "change_activation", "drop_norm"} <= {
        edit.operation for edit in bench.edits
    }
    for edit in bench.edits:
        assert bench.apply(edit).count("\n") == SHARED.count("\n"), edit.describe()
