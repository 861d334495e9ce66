"""Node embedding: one embedding per attribute, concatenated."""

from __future__ import annotations

import torch
from torch import nn

from nas_assistant.encoders._features import CATEGORY_SIZES, SIZES

_CATEGORY_WIDTHS = (24, 4, 4, 4, 4)
_SIZE_WIDTH = 24


class NodeEmbedding(nn.Module):
    """Embeds operation, kernel, stride, bias flag and sizes of a node (Mishra 2023, section 2.1.2).

    Shapes:
        - categories: ``(nodes, 5)``, sizes: ``(nodes, 8)``
        - output: ``(nodes, 64)``
    """

    width = sum(_CATEGORY_WIDTHS) + _SIZE_WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.categories = nn.ModuleList(
            nn.Embedding(size, width) for size, width in zip(CATEGORY_SIZES, _CATEGORY_WIDTHS, strict=True)
        )
        self.sizes = nn.Linear(len(SIZES), _SIZE_WIDTH)

    def forward(self, categories: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Embed every node."""
        parts = [embed(categories[:, column]) for column, embed in enumerate(self.categories)]
        return torch.cat([*parts, torch.tanh(self.sizes(sizes))], dim=1)
