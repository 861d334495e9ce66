from __future__ import annotations

import torch
from torch import nn

from nas_assistant.costs import activation_bytes, memory_bytes
from nas_assistant.graphs import ComputationalGraph, Operation, RegularNode

PIXELS = 8 * 8


def _graph(module: nn.Module) -> ComputationalGraph:
    return ComputationalGraph.from_torch(module.eval(), torch.zeros(2, 3, 8, 8))


def test_a_chain_holds_two_results_and_the_input() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 4, 1))
    assert activation_bytes(_graph(chain)) == 4 * (3 + 16 + 16) * PIXELS


def test_a_skip_is_held_until_it_is_added() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return x + self.second(x).relu()

    # When the sum is made: input, skip, activated branch, sum.
    assert activation_bytes(_graph(Skip())) == 4 * (3 + 3 * 16) * PIXELS


def test_views_take_no_memory() -> None:
    nodes = [RegularNode(id=0, op=Operation.INPUT, output_shape=(10,))]
    for number, op in enumerate((Operation.DROPOUT, Operation.RESHAPE, Operation.RELU, Operation.OUTPUT), 1):
        nodes.append(RegularNode(id=number, op=op, inputs=(number - 1,), output_shape=(10,)))
    assert activation_bytes(ComputationalGraph(tuple(nodes))) == 4 * 20


def test_a_batch_multiplies_the_activations_alone() -> None:
    graph = _graph(nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU()))
    assert activation_bytes(graph, 8) == 8 * activation_bytes(graph)
    assert memory_bytes(graph, 8) == 4 * (3 * 16 + 16) + activation_bytes(graph, 8)
