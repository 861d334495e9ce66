"""What gives the scores of the output or of a gate gets nothing behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

EXPERTS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.router = nn.Linear(8, 2)
        self.experts = nn.ModuleList(
            [nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 6)) for _ in range(2)]
        )

    def forward(self, x):
        x = self.stem(x).relu().mean((2, 3))
        weights = self.router(x).softmax(-1)
        outs = torch.stack([expert(x) for expert in self.experts], 1)
        return MIX
"""


@pytest.mark.parametrize(
    "mix",
    ["(weights.unsqueeze(-1) * outs).sum(1)", 'torch.einsum("be,beo->bo", weights, outs)', "outs.mean(1)"],
)
def test_nothing_comes_behind_scores_that_are_only_weighted_and_summed(
    torch_bench: Callable, mix: str
) -> None:
    edits = torch_bench(EXPERTS.replace("MIX", mix)).edits
    last = [edit.operation for edit in edits if edit.layer in ("experts.0.2", "router")]
    assert not last
    assert {"widen", "insert_block"} <= {edit.operation for edit in edits if edit.layer == "experts.0.0"}
    hidden = EXPERTS.replace("MIX", f"({mix}).relu() @ torch.ones(6, 4)")
    found = {edit.operation for edit in torch_bench(hidden).edits if edit.layer == "experts.0.2"}
    assert {"repeat_layer", "insert_block"} <= found


GATES = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.squeeze = nn.Linear(8, 4)
        self.act = nn.ReLU()
        self.excite = nn.Linear(4, 4)
        self.last = nn.Linear(4, 8)
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)
        self.own = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        gate = [self.last(self.excite(self.act(self.squeeze(p)))) for p in (x.mean((2, 3)), x.amax((2, 3)))]
        x = x * torch.sigmoid(gate[0] + gate[1])[:, :, None, None]
        x = x * self.spatial(torch.stack([x.mean(1), x.amax(1)], 1)).BOUND
        x = self.own(x)
        x = x * torch.sigmoid(x.mean((2, 3), keepdim=True))
        return self.head(x.mean((2, 3)))
"""


@pytest.mark.parametrize("bound", ["sigmoid()", "tanh()", "add(3).clamp(0, 6)"])
def test_nothing_comes_behind_the_scores_of_a_gate_and_no_dropout_inside(
    torch_bench: Callable, bound: str
) -> None:
    edits = torch_bench(GATES.replace("BOUND", bound)).edits
    found: dict[str, set[str]] = {}
    for edit in edits:
        found.setdefault(edit.layer, set()).add(edit.operation)
    adding = {"insert_block", "repeat_layer", "add_norm", "add_dropout"}
    for layer in ("last", "spatial"):
        assert not found.get(layer, set()) & (adding | {"widen", "narrow"}), layer
    assert "widen" in found["squeeze"] and found["act"] == {"change_activation"}
    assert "add_dropout" in found["stem.1"]
    # What is weighed is no gate, even where its own mean weighs it.
    assert {"insert_block", "add_norm"} <= found["own"]


HELPERS = """\
from torch import nn


class Unit(nn.Module):
    def __init__(self, channels, active=True):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU() if active else nn.Sequential()

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = Unit(3), Unit(3, active=ACTIVE)
        self.head = nn.Linear(3, 10)

    def forward(self, x):
        return self.head((self.last(self.first(x)) + x).mean((2, 3)))
"""


def test_no_activation_comes_where_a_helper_is_linear_at_times(torch_bench: Callable) -> None:
    def found(active: str) -> set[str]:
        return {edit.operation for edit in torch_bench(HELPERS.replace("ACTIVE", active)).edits}

    assert found("True") - found("False") == {"insert_block", "repeat_layer"}
    before = HELPERS.replace("self.act(self.norm(self.conv(x)))", "self.norm(self.conv(self.act(x)))")
    edits = torch_bench(
        before.replace("ACTIVE", "True").replace("self.first, self.last", "self.last, self.first")
    ).edits
    assert "insert_block" in {edit.operation for edit in edits}
