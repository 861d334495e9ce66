"""How AZ-NAS sees a network: its blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas_assistant.families.nb201 import NB201Cell, NB201Network
from nas_assistant.proxies import Score, get_proxy
from nas_assistant.proxies._torch_blocks import read_blocks


def rows(network: nn.Module, *shape: int) -> list[tuple[int, int]]:
    torch.manual_seed(0)
    return [tuple(block.features.shape) for block in read_blocks(network.train(), torch.randn(2, *shape))]


def test_a_cell_is_a_block_whatever_is_in_it() -> None:
    for cell in (
        "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|",
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|",
    ):
        network = NB201Network(NB201Cell.from_string(cell), channels=4, cells=2)
        wanted = (
            [(512, 4)] * 3 + [(128, 8)] * 3 + [(32, 16)] * 3
        )  # a stem, then two cells a stage and reductions
        assert rows(network, 3, 16, 16) == wanted


def test_layers_in_a_row_are_blocks_with_what_follows_them() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True),
        nn.Conv2d(4, 5, 3), nn.ReLU(True), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip
    assert rows(network, 3, 12, 12) == [(200, 4), (32, 5)]


def test_a_shortcut_keeps_what_it_spans_in_one_block() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return x + self.second(x.relu())

    assert rows(Residual(), 3, 6, 6) == [(72, 4), (72, 4)]


def test_the_gain_of_an_orthogonal_layer_is_that_of_its_matrix() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(3 * torch.eye(4)[:, :, None, None])
    torch.manual_seed(0)
    found = read_blocks(network, torch.randn(8, 3, 32, 32))
    assert found[0].gain is None and found[1].gain == pytest.approx(3, rel=0.05)


def test_ranks_join_the_four_views() -> None:
    proxy = get_proxy("az_nas")
    parts = ("expressivity", "progressivity", "trainability", "complexity")
    weak, strong = (dict.fromkeys(parts, value) for value in (1.0, 2.0))
    ranks = proxy.combine([Score("az_nas", None, parts=weak), Score("az_nas", None, parts=strong)])
    assert ranks == pytest.approx([4 * math.log(0.5), 0.0])


def test_a_network_without_parts_ranks_below_all() -> None:
    known = Score("az_nas", None, parts={"complexity": 1.0})
    assert get_proxy("az_nas").combine([known, Score("az_nas", None)])[1] == -math.inf
    assert math.isfinite(get_proxy("az_nas").combine([known, Score("az_nas", None)])[0])
