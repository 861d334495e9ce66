"""Graphs as the arrays that the encoder reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from nas_assistant.encoders._spectrum import laplacian_spectrum
from nas_assistant.encoders._structure import structure_statistics
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph, Node, Operation, WeightedNode

CATEGORIES = ("op", "kernel_height", "kernel_width", "stride", "bias")
"""Columns of :attr:`GraphArrays.categories`, each an index into its own embedding."""

MOST_KERNEL, MOST_STRIDE = 8, 4
"""Kernels and strides that are larger count as these."""

CATEGORY_SIZES = (len(Operation) + 1, MOST_KERNEL + 1, MOST_KERNEL + 1, MOST_STRIDE + 1, 3)
"""Number of values of each category; the last operation is the dummy that stands for a masked node."""

SIZES = (
    "channels_in",
    "channels_out",
    "height_in",
    "height_out",
    "width_out",
    "weight",
    "groups",
    "dilation",
)
"""Columns of :attr:`GraphArrays.sizes`, each a base-2 logarithm brought to about [0, 1]."""

MASKED = len(Operation)
"""Index of the dummy operation of a masked node (Mishra 2023, section 2.2)."""

_OPERATION_INDEX = {op: index for index, op in enumerate(Operation)}
_MATRIX_OPERATIONS = torch.tensor(
    [_OPERATION_INDEX[op] for op in (Operation.CONV, Operation.CONV_TRANSPOSE, Operation.DENSE)]
)


@dataclass(frozen=True)
class GraphArrays:
    """One graph as arrays.

    Attributes:
        categories: ``(nodes, len(CATEGORIES))``, uint8.
        sizes: ``(nodes, len(SIZES))``, float32.
        edges: ``(2, edges)``, int32: sources and targets.
        spectrum: ``(21,)``, float32: lowest eigenvalues of the normalised Laplacian, zero-padded.
        size: ``(3,)``, float64: see :func:`graph_size`.
    """

    categories: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.float32]
    edges: npt.NDArray[np.int32]
    spectrum: npt.NDArray[np.float32]
    size: npt.NDArray[np.float64]

    @classmethod
    def from_graph(cls, graph: ComputationalGraph, *, spectrum: bool = False) -> GraphArrays:
        """Turn a graph into arrays.

        Args:
            graph: The graph.
            spectrum: Also compute the spectrum, which only training needs; zeros otherwise.

        Raises:
            UserError: It is no graph.
        """
        if not isinstance(graph, ComputationalGraph):
            given = type(graph).__name__
            call = "ComputationalGraph.from_torch(module, example)"
            raise UserError(f"give a ComputationalGraph, not {given}: {call}")
        edges = np.asarray(graph.edges, dtype=np.int32).reshape(-1, 2).T
        return cls(
            categories=np.asarray([_categories(node) for node in graph], dtype=np.uint8),
            sizes=np.asarray([_sizes(node) for node in graph], dtype=np.float32),
            edges=np.ascontiguousarray(edges),
            spectrum=laplacian_spectrum(edges, len(graph)) if spectrum else np.zeros(21, dtype=np.float32),
            size=graph_size(graph),
        )

    def __len__(self) -> int:
        return len(self.categories)

    @cached_property
    def structure(self) -> npt.NDArray[np.float64]:
        """The statistics of :data:`STRUCTURE`, ``(len(STRUCTURE),)``."""
        return structure_statistics(self)

    def masked(self, nodes: Sequence[int]) -> GraphArrays:
        """A copy in which ``nodes`` are dummies: their attributes are gone, their edges and the size stay."""
        categories, sizes = self.categories.copy(), self.sizes.copy()
        categories[list(nodes)] = (MASKED, *[0] * (len(CATEGORIES) - 1))
        sizes[list(nodes)] = 0.0
        return GraphArrays(categories, sizes, self.edges, self.spectrum, self.size)


@dataclass(frozen=True)
class GraphBatch:
    """Several graphs side by side.

    Attributes:
        categories: ``(nodes, len(CATEGORIES))``, int64.
        sizes: ``(nodes, len(SIZES))``, float32.
        edges: ``(2, edges)``, int64: both directions of every edge.
        graph: ``(nodes,)``, int64: which graph a node belongs to.
        counts: ``(graphs,)``, int64: nodes of each graph.
        spectra: ``(graphs, 21)``, float32.
    """

    categories: torch.Tensor
    sizes: torch.Tensor
    edges: torch.Tensor
    graph: torch.Tensor
    counts: torch.Tensor
    spectra: torch.Tensor

    @classmethod
    def collate(cls, arrays: Sequence[GraphArrays]) -> GraphBatch:
        """Put graphs side by side; edges count in both directions, as the spectrum has them."""
        counts = np.asarray([len(a) for a in arrays])
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
        edges = np.concatenate([a.edges + o for a, o in zip(arrays, offsets, strict=True)], axis=1)
        both = np.concatenate([edges, edges[::-1]], axis=1).astype(np.int64)
        return cls(
            categories=torch.from_numpy(np.concatenate([a.categories for a in arrays]).astype(np.int64)),
            sizes=torch.from_numpy(np.concatenate([a.sizes for a in arrays])),
            edges=torch.from_numpy(both),
            graph=torch.from_numpy(np.repeat(np.arange(len(arrays)), counts)),
            counts=torch.from_numpy(counts),
            spectra=torch.from_numpy(np.stack([a.spectrum for a in arrays])),
        )


def graph_size(graph: ComputationalGraph) -> npt.NDArray[np.float64]:
    """Parameters, FLOPs and depth, the last as weighted operations on the longest path; ``(3,)``."""
    depths: list[int] = []
    for node in graph:
        depths.append(max((depths[i] for i in node.inputs), default=0) + int(node.macs > 0))
    parameters = graph.unused_parameters + sum(node.parameters for node in graph)
    flops = 2 * sum(node.macs for node in graph)
    return np.asarray([parameters, flops, max(depths, default=0)], dtype=np.float64)


def mask_batch(batch: GraphBatch, rate: float) -> GraphBatch:
    """The batch with nodes replaced by dummies at random: dropout of whole nodes.

    It makes two views of one graph differ (Mishra 2023, section 2.1.2), and teaches the encoder the dummy.
    """
    dummy = torch.zeros_like(batch.categories[0])
    dummy[0] = MASKED
    hit = (torch.rand(len(batch.categories)) < rate)[:, None]
    return replace(
        batch,
        categories=torch.where(hit, dummy, batch.categories),
        sizes=batch.sizes.masked_fill(hit, 0.0),
    )


def widen_batch(batch: GraphBatch, octaves: torch.Tensor) -> torch.Tensor:
    """Sizes of a batch as if every hidden layer of a graph were wider.

    Channels below 16, the input's and the classes', stay as they are.

    Args:
        batch: The graphs.
        octaves: ``(graphs,)``: doublings of the width of each, negative for narrower.

    Returns:
        ``(nodes, len(SIZES))``, to replace ``batch.sizes``.
    """
    sizes = batch.sizes.clone()
    shift = octaves[batch.graph]
    hidden = sizes[:, :2] > _log(15, 512)
    sizes[:, :2] += hidden * shift[:, None] / math.log2(512)
    # A convolution's weight grows with both its channel counts, a normalisation's with one.
    matrix = torch.isin(batch.categories[:, 0], _MATRIX_OPERATIONS)
    dimensions = torch.where(matrix, hidden.sum(dim=1), hidden[:, 1].long())
    weight = SIZES.index("weight")
    sizes[:, weight] += (sizes[:, weight] > 0) * dimensions * shift / math.log2(512 * 512 * 9)
    return sizes


def _categories(node: Node) -> tuple[int, ...]:
    height, width = node.kernel or (0, 0)
    stride = max(node.stride or (0, 0))
    bias = 1 + int(node.bias) if isinstance(node, WeightedNode) else 0
    kernel = (min(height, MOST_KERNEL), min(width, MOST_KERNEL))
    return (_OPERATION_INDEX[node.op], *kernel, min(stride, MOST_STRIDE), bias)


def _sizes(node: Node) -> tuple[float, ...]:
    channels_in, height_in, _ = _image(node.input_shape)
    channels_out, height_out, width_out = _image(node.output_shape)
    weight = math.prod(node.weight_shape) if isinstance(node, WeightedNode) else 0
    return (
        _log(channels_in, 512),
        _log(channels_out, 512),
        _log(height_in, 256),
        _log(height_out, 256),
        _log(width_out, 256),
        _log(weight, 512 * 512 * 9),
        _log(node.groups or 1, 512),
        _log(max(node.dilation or (1, 1)), 4),
    )


def _image(shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width; a vector is one pixel, a sequence ``(length, width)`` one column."""
    if len(shape) >= 3:
        return (shape[-3], shape[-2], shape[-1])
    if len(shape) == 2:
        return (shape[1], shape[0], 1)
    return (shape[0] if shape else 1, 1, 1)


def _log(value: int, scale: int) -> float:
    """Base-2 logarithm, 1 at ``scale``: the scales of GENNAPE, but a doubling counts the same anywhere."""
    return math.log2(max(value, 1)) / math.log2(scale)
