"""The two unsupervised losses of the encoder."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


def spectral_soft_labels(spectra: torch.Tensor, scale: float, *, printed_form: bool = False) -> torch.Tensor:
    """Soft labels of the contrastive loss from spectral distances (Mishra 2023, section 2.1.2).

    Args:
        spectra: ``(graphs, 21)``; the views of one graph have equal rows.
        scale: Distance at which a graph's weight falls to ``1/e``.
        printed_form: Use ``softmax(d)`` as the thesis prints it, which weights the most different graphs
            highest; an ablation.

    Returns:
        ``(graphs, graphs)``: rows sum to 1, the diagonal is 0.
    """
    distances = torch.cdist(spectra, spectra)
    logits = distances if printed_form else -distances / scale
    logits = logits.masked_fill(torch.eye(len(spectra), dtype=torch.bool), -math.inf)
    return logits.softmax(dim=1)


def contrastive_loss(projections: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Soft-label contrastive loss ``L_c`` (Mishra 2023, section 2.1.2), mean over the graphs.

    Args:
        projections: ``(graphs, width)``; normalised here.
        labels: From :func:`spectral_soft_labels`.
        temperature: Of the cosine similarity.
    """
    unit = F.normalize(projections, dim=1)
    logits = unit @ unit.T / temperature
    # A finite floor, since a label of 0 times minus infinity is no number.
    logits = logits.masked_fill(torch.eye(len(unit), dtype=torch.bool), -1e9)
    return -(labels * logits.log_softmax(dim=1)).sum(dim=1).mean()


def temperature_at(progress: float, start: float = 0.35, end: float = 0.05) -> float:
    """Linear temperature schedule.

    Args:
        progress: Share of the training that is done, in [0, 1].
        start: Temperature at 0.
        end: Temperature at 1.
    """
    return start + (end - start) * min(max(progress, 0.0), 1.0)


class NodeDecoder(nn.Module):
    """Rebuilds node embeddings from the graph's vector (Mishra 2023, section 2.1.2).

    The vector alone does not say which node to rebuild, so a node is asked for by its place in the
    topological order, as a share of the whole, in sines and cosines.

    Args:
        graph_width: Length of a graph's vector.
        node_width: Length of a node's embedding.
    """

    frequencies = 8

    def __init__(self, graph_width: int, node_width: int) -> None:
        super().__init__()
        self.graph = nn.Linear(graph_width, 256)
        self.place = nn.Linear(2 * self.frequencies, 256)
        self.output = nn.Sequential(nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, node_width))

    def forward(self, vectors: torch.Tensor, graph: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Rebuild nodes.

        Args:
            vectors: ``(graphs, graph_width)``.
            graph: ``(nodes,)``: the graph of each node asked for.
            places: ``(nodes,)`` in [0, 1].

        Returns:
            ``(nodes, node_width)``.
        """
        waves = places[:, None] * (math.pi * 2.0 ** torch.arange(self.frequencies))
        encoded = torch.cat([waves.sin(), waves.cos()], dim=1)
        return torch.as_tensor(self.output(self.graph(vectors)[graph] + self.place(encoded)))


def reconstruction_loss(rebuilt: torch.Tensor, original: torch.Tensor, temperature: float) -> torch.Tensor:
    """Reconstruction loss ``L_r``: mean negative cosine similarity over the temperature.

    The originals take no gradient: they would learn to be easy to rebuild, that is, all alike.
    """
    return -F.cosine_similarity(rebuilt, original.detach(), dim=1).mean() / temperature
