"""Nodes as GENNAPE describes them, and batches of graphs with directed edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas_assistant.encoders import CATEGORIES, CATEGORY_SIZES, SIZES, GraphArrays

SCALES = {
    "channels_in": 512.0,
    "channels_out": 512.0,
    "height_in": 256.0,
    "height_out": 256.0,
    "width_out": 256.0,
    "weight": 512.0 * 512.0 * 9.0,
    "groups": 512.0,
}
"""What a size is divided by; :class:`GraphArrays` has its logarithm to the base of this."""

SHAPES = ("channels_in", "channels_out", "height_in", "height_out", "width_out")
"""Sizes of a node that GENNAPE reads."""


def linear_sizes(graph: GraphArrays, names: Sequence[str] = SHAPES) -> npt.NDArray[np.float32]:
    """Sizes of a node as GENNAPE scales them: channels over 512, heights and widths over 256.

    Returns:
        ``(nodes, len(names))``.
    """
    logarithms = graph.sizes[:, [SIZES.index(name) for name in names]]
    scales = np.asarray([SCALES[name] for name in names], dtype=np.float32)
    return np.asarray(scales ** (logarithms - 1.0), dtype=np.float32)


@dataclass(frozen=True)
class NodeBatch:
    """Several graphs side by side.

    Attributes:
        categories: ``(nodes, len(CATEGORIES))``, int64.
        sizes: ``(nodes, 5)``, float32: see :func:`linear_sizes`.
        edges: ``(2, edges)``, int64: each from the source to the target of a tensor.
        graph: ``(nodes,)``, int64: which graph a node belongs to.
        spectra: ``(graphs, 21)``, float32.
    """

    categories: torch.Tensor
    sizes: torch.Tensor
    edges: torch.Tensor
    graph: torch.Tensor
    spectra: torch.Tensor

    @classmethod
    def collate(cls, graphs: Sequence[GraphArrays]) -> NodeBatch:
        """Put graphs side by side."""
        counts = np.asarray([len(graph) for graph in graphs])
        offsets = np.cumsum(counts) - counts
        edges = [graph.edges + offset for graph, offset in zip(graphs, offsets, strict=True)]
        return cls(
            categories=torch.from_numpy(np.concatenate([g.categories for g in graphs]).astype(np.int64)),
            sizes=torch.from_numpy(np.concatenate([linear_sizes(g) for g in graphs])),
            edges=torch.from_numpy(np.concatenate(edges, axis=1).astype(np.int64)),
            graph=torch.from_numpy(np.repeat(np.arange(len(graphs)), counts)),
            spectra=torch.from_numpy(np.stack([graph.spectrum for graph in graphs])),
        )

    def pool(self, nodes: torch.Tensor) -> torch.Tensor:
        """Mean over the nodes of every graph, ``(graphs, width)``."""
        total = nodes.new_zeros(len(self.spectra), nodes.shape[1]).index_add_(0, self.graph, nodes)
        return total / torch.bincount(self.graph, minlength=len(self.spectra))[:, None]


class GennapeNodes(nn.Module):
    """Embeds operation, shapes, kernel, stride and bias flag (Mills et al. 2023, "GENNAPE", section 3.1).

    Shapes:
        - output: ``(nodes, width)``
    """

    _WIDTHS: ClassVar[dict[str, int]] = {"kernel_height": 4, "kernel_width": 4, "stride": 2, "bias": 2}

    def __init__(self, width: int) -> None:
        super().__init__()
        self.columns = [CATEGORIES.index(name) for name in ("op", *self._WIDTHS)]
        rest = sum(self._WIDTHS.values()) + 8
        widths = (width - rest, *self._WIDTHS.values())
        self.categories = nn.ModuleList(
            nn.Embedding(CATEGORY_SIZES[column], size)
            for column, size in zip(self.columns, widths, strict=True)
        )
        self.sizes = nn.Linear(len(SHAPES), 8)

    def forward(self, batch: NodeBatch) -> torch.Tensor:
        """Embed every node."""
        parts = [
            embed(batch.categories[:, column])
            for column, embed in zip(self.columns, self.categories, strict=True)
        ]
        return torch.cat([*parts, self.sizes(batch.sizes)], dim=1)
