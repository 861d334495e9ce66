"""Spectra of graphs, the soft labels of the contrastive loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EIGENVALUES = 21


def laplacian_spectrum(edges: npt.NDArray[np.int32], nodes: int) -> npt.NDArray[np.float32]:
    """Lowest eigenvalues of the normalised Laplacian ``I - D^-1/2 A D^-1/2`` (Mishra 2023, section 2.1.2).

    Args:
        edges: ``(2, edges)``; directions are ignored.
        nodes: Number of nodes.

    Returns:
        ``(21,)``, ascending, zero-padded for smaller graphs.
    """
    from scipy.linalg import eigvalsh  # a slow import that only training needs

    adjacency = np.zeros((nodes, nodes))
    adjacency[edges[0], edges[1]] = adjacency[edges[1], edges[0]] = 1.0
    degree = adjacency.sum(axis=1)
    scale = 1.0 / np.sqrt(np.maximum(degree, 1.0))
    laplacian = np.eye(nodes) - scale[:, None] * adjacency * scale[None, :]
    count = min(EIGENVALUES, nodes)
    values = eigvalsh(laplacian, subset_by_index=(0, count - 1))
    return np.pad(values, (0, EIGENVALUES - count)).astype(np.float32)
