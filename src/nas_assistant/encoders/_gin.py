"""Message passing on a batch of graphs."""

from __future__ import annotations

import torch
from torch import nn


def sum_messages(nodes: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
    """Sum of the nodes that point to each node.

    Args:
        nodes: ``(nodes, width)``.
        edges: ``(2, edges)``: sources, targets.

    Returns:
        ``(nodes, width)``.
    """
    source, target = edges
    return torch.zeros_like(nodes).index_add_(0, target, nodes[source])


class GINConv(nn.Module):
    """Graph isomorphism operator (Xu et al. 2019, "How Powerful are Graph Neural Networks?", eq. 4.1).

    ``x_i' = nn((1 + eps) x_i + sum_j x_j)`` over the nodes ``j`` that point to ``i``; ``eps`` is learned.

    It stands here because a graph library takes longer to import than a network to be read and predicted.

    Args:
        update: What is applied to every sum, ``nn``.

    Shapes:
        - nodes: ``(nodes, width)``, edges: ``(2, edges)``
        - output: ``(nodes, width)``
    """

    def __init__(self, update: nn.Module) -> None:
        super().__init__()
        self.nn = update
        self.eps = nn.Parameter(torch.zeros(1))

    def forward(self, nodes: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Pass messages along the edges once."""
        return torch.as_tensor(self.nn((1.0 + self.eps) * nodes + sum_messages(nodes, edges)))


def to_dense(nodes: torch.Tensor, graph: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes of a batch with a row for each graph, filled up with zeros.

    Args:
        nodes: ``(nodes, width)``, graph after graph.
        graph: ``(nodes,)``, number of the graph of each.

    Returns:
        ``(graphs, most nodes, width)``, and which of them are there, ``(graphs, most nodes)``.
    """
    counts = torch.bincount(graph)
    starts = counts.cumsum(0) - counts
    places = torch.arange(len(nodes)) - starts[graph]
    length = int(counts.max())
    dense = nodes.new_zeros(len(counts), length, nodes.shape[1])
    dense[graph, places] = nodes
    return dense, torch.arange(length) < counts[:, None]
