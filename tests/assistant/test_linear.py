from __future__ import annotations

import pytest
import torch
from torch import nn

from nas_assistant.assistant._linear import linear_failure
from nas_assistant.errors import FailureKind
from nas_assistant.graphs import ComputationalGraph


def graph_of(*layers: nn.Module) -> ComputationalGraph:
    return ComputationalGraph.from_torch(nn.Sequential(*layers).eval(), torch.zeros(2, 3, 8, 8))


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


PLAIN = graph_of(conv(3, 8), nn.ReLU(), conv(8, 8))


@pytest.mark.parametrize(
    "layers",
    [
        (conv(3, 8), conv(8, 8), nn.ReLU(), conv(8, 8)),
        (conv(3, 8), nn.BatchNorm2d(8), nn.Dropout2d(0.1), conv(8, 8, 1), nn.ReLU(), conv(8, 8)),
        (conv(3, 8), nn.ReLU(), conv(8, 8, 3, 8), conv(8, 8, 3, 8), conv(8, 8, 1)),
    ],
)
def test_two_linear_layers_in_a_row_are_refused(layers: tuple[nn.Module, ...]) -> None:
    failure = linear_failure(graph_of(*layers), PLAIN)
    assert failure is not None and failure.kind is FailureKind.CONSTRAINT
    assert "are one linear map together" in failure.message


@pytest.mark.parametrize(
    "layers",
    [
        (conv(3, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), conv(8, 8)),
        (conv(3, 8), nn.ReLU(), conv(8, 8, 3, 8), conv(8, 8, 1)),  # a separable convolution
        (conv(3, 8), nn.ReLU(), conv(8, 2, 1), conv(2, 8, 1)),  # a bottleneck
    ],
)
def test_pairs_that_are_made_on_purpose_are_not(layers: tuple[nn.Module, ...]) -> None:
    assert linear_failure(graph_of(*layers), PLAIN) is None


def test_what_the_users_own_network_has_it_may_have_more_of() -> None:
    own = (conv(3, 8), nn.BatchNorm2d(8), conv(8, 8, 1), nn.ReLU())
    more = (*own, conv(8, 8), nn.BatchNorm2d(8), conv(8, 8, 1), nn.ReLU())
    assert linear_failure(graph_of(*more), graph_of(*own)) is None
    assert linear_failure(graph_of(*more), PLAIN) is not None
