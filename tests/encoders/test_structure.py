"""The statistics of the structure prior, on networks small enough to count by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas_assistant.encoders import STRUCTURE, GraphArrays
from nas_assistant.graphs import ComputationalGraph


def statistics(*layers: nn.Module, channels: int = 8) -> dict[str, float]:
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    graph = ComputationalGraph.from_torch(module.eval(), torch.zeros(2, 3, 16, 16))
    values = GraphArrays.from_graph(graph).structure
    return dict(zip(STRUCTURE, values.tolist(), strict=True))


def conv(inputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, 8, kernel, padding=kernel // 2, bias=False)


class Residual(nn.Module):
    """A branch of normalised convolutions beside the identity of a normalised input."""

    def __init__(self, convolutions: int) -> None:
        super().__init__()
        self.before = nn.BatchNorm2d(8)
        self.branch = nn.Sequential(*(conv(8) for _ in range(convolutions)), nn.BatchNorm2d(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        return x + self.branch(x)


def test_a_chain_has_one_path_and_every_convolution_is_on_it() -> None:
    found = statistics(conv(3), conv(8), conv(8, kernel=1))
    assert found["convolutions"] == 3
    assert found["spatial_convolutions"] == pytest.approx(math.log2(3))
    assert found["spatial_share"] == pytest.approx(2 / 4)
    assert found["shortcut"] == 0 and found["pools"] == 0


def test_a_residual_branch_counts_by_its_share_of_the_variance() -> None:
    found = statistics(conv(3), Residual(4))
    assert found["convolutions"] == pytest.approx(1 + 4 / 2)
    assert found["shortcut"] == pytest.approx(math.log2(6 / 2))


def test_at_one_size_the_longer_way_has_more_convolutions() -> None:
    chain, shortened = statistics(conv(3), *(conv(8) for _ in range(4))), statistics(conv(3), Residual(4))
    assert chain["parameters_quarter"] == pytest.approx(shortened["parameters_quarter"], rel=1e-3)
    assert chain["convolutions"] > shortened["convolutions"]


def test_pools_blur_and_normalised_activations_sharpen() -> None:
    plain, pooled = statistics(conv(3)), statistics(conv(3), nn.AvgPool2d(3, 1, 1))
    active = statistics(conv(3), nn.ReLU(), nn.BatchNorm2d(8))
    assert pooled["pools"] == 1
    assert pooled["smoothness"] > plain["smoothness"] > active["smoothness"]
    assert pooled["detail"] < plain["detail"] < active["detail"]


def test_only_windows_beyond_twice_the_image_are_in_excess() -> None:
    assert statistics(conv(3), conv(8))["excess"] == 0
    wide = [conv(8, kernel=7) for _ in range(8)]
    assert statistics(conv(3), *wide)["excess"] == pytest.approx((2 + 8 * 6) / 16 - 2)
