"""Attention among all nodes of a graph."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.encoders._gin import to_dense


class NodeAttention(nn.Module):
    """A transformer layer whose tokens are the nodes of one graph (Vaswani et al. 2017, section 3).

    Args:
        width: Width of a node, divisible by ``heads``.
        heads: Attention heads.
        dropout: Probability, on both residual branches.

    Shapes:
        - nodes: ``(nodes, width)``, graph: ``(nodes,)``
        - output: ``(nodes, width)``
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm_attention = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, nodes: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """Let every node attend to every node of its graph."""
        dense, present = to_dense(self.project(self.norm_attention(nodes)), graph)
        batch, length, _ = dense.shape
        query, key, value = dense.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if bool(present.all()) else present[:, None, None, :]
        # No dropout on the attention itself: with it, the fused kernel for CPUs is not taken.
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, length, -1)[present]
        nodes = nodes + F.dropout(self.merge(mixed), self.dropout, self.training)
        return nodes + F.dropout(self.mlp(self.norm_mlp(nodes)), self.dropout, self.training)
