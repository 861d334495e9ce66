"""The graph encoder: node embedding, GIN and attention branches, one vector per graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.encoders._attention import NodeAttention
from nas_assistant.encoders._features import GraphBatch
from nas_assistant.encoders._gin import GINConv
from nas_assistant.encoders._node_embedding import NodeEmbedding


@dataclass(frozen=True)
class EncoderConfig:
    """Hyper-parameters of :class:`GraphEncoder`.

    Attributes:
        layers: GIN layers.
        heads: Attention heads.
        branch: Numbers a node gets from each branch.
        dropout: Probability; the two views of a graph differ by it and by the nodes that
            :func:`mask_batch` hides.
        attention: Whether there is the attention branch; its numbers are 0 otherwise.
    """

    layers: int = 6
    heads: int = 4
    branch: int = 256
    dropout: float = 0.1
    attention: bool = True

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class GraphEncoder(nn.Module):
    """Encodes a computational graph (Mishra 2023, section 2.1.2).

    Node embeddings go through GIN layers (Xu et al. 2019, "How Powerful are Graph Neural Networks?",
    eq. 4.1), whose outputs are concatenated over the layers as that paper's read-out has it, and in parallel
    through attention among all nodes. Each branch gives 256 numbers a node. A last GIN update, of a virtual
    node that every node points to, makes them one vector.

    Shapes:
        - output: ``(graphs, 512)``
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        width = NodeEmbedding.width
        self.embed = NodeEmbedding()
        self.convolutions = nn.ModuleList(
            GINConv(_mlp(width, width, width)) for _ in range(self.config.layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(self.config.layers))
        self.local = nn.Linear(width * self.config.layers, self.config.branch)
        self.attention = NodeAttention(width, self.config.heads, self.config.dropout)
        self.wide = nn.Linear(width, self.config.branch)
        self.aggregate = _mlp(self.width, self.width, self.width)
        self.norm = nn.LayerNorm(self.width)

    @property
    def width(self) -> int:
        """Length of a graph's vector."""
        return 2 * self.config.branch

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """Encode a batch of graphs to ``(graphs, 512)``."""
        return self.encode_nodes(self.embed(batch.categories, batch.sizes), batch)

    def encode_nodes(self, nodes: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
        """Encode from node embeddings of shape ``(nodes, 64)``."""
        nodes = F.dropout(nodes, self.config.dropout, self.training)
        local = self.local(self._convolve(nodes, batch))
        wide = self._attend(nodes, batch) if self.config.attention else torch.zeros_like(local)
        both = torch.cat([local, wide], dim=1)
        return self._aggregate(F.relu(both), batch)

    def _convolve(self, nodes: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
        outputs = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            nodes = F.relu(norm(convolution(nodes, batch.edges)))
            outputs.append(nodes)
        return torch.cat(outputs, dim=1)

    def _attend(self, nodes: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
        return torch.as_tensor(self.wide(self.attention(nodes, batch.graph)))

    def _aggregate(self, nodes: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
        """GIN update of a virtual node; the sum grows with the logarithm of the number of nodes."""
        counts = batch.counts.to(nodes.dtype)
        total = nodes.new_zeros(len(counts), nodes.shape[1]).index_add_(0, batch.graph, nodes)
        scaled = total * (torch.log2(1.0 + counts) / (8.0 * counts))[:, None]
        return torch.as_tensor(self.norm(self.aggregate(scaled)))


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
