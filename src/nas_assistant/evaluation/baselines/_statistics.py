"""Graphs as a row of statistics each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import CATEGORIES, CATEGORY_SIZES, SIZES, GraphArrays
from nas_assistant.evaluation.baselines._base import Array

_OPERATION = CATEGORIES.index("op")
_OPERATIONS = CATEGORY_SIZES[_OPERATION]
_KERNEL = CATEGORIES.index("kernel_height")
_KERNELS = CATEGORY_SIZES[_KERNEL]
_CHANNELS = SIZES.index("channels_out")


def graph_statistics(graphs: Sequence[GraphArrays]) -> Array:
    """Histograms of operations and kernels, path lengths, widths, depth, FLOPs and parameters.

    Returns:
        ``(graphs, statistics)``; counts are in logarithms.
    """
    return np.stack([_row(graph) for graph in graphs])


def _row(graph: GraphArrays) -> Array:
    operations = np.bincount(graph.categories[:, _OPERATION], minlength=_OPERATIONS)
    kernels = np.bincount(graph.categories[:, _KERNEL], minlength=_KERNELS)
    channels = graph.sizes[:, _CHANNELS]
    counts = [len(graph), graph.edges.shape[1], *operations, *kernels, *graph.size]
    return np.concatenate(
        [
            np.log1p(np.asarray(counts, dtype=np.float64)),
            _paths(graph),
            [channels.max(), channels.mean(), channels.std()],
        ]
    )


def _paths(graph: GraphArrays) -> Array:
    """Longest, shortest and mean path to the last node, in nodes, their number, and shortest over longest."""
    before: list[list[int]] = [[] for _ in range(len(graph))]
    for source, target in graph.edges.T.tolist():
        before[target].append(source)
    longest: list[int] = []
    shortest: list[int] = []
    means: list[float] = []
    numbers: list[float] = []
    for inputs in before:  # nodes are in topological order
        number = sum(numbers[i] for i in inputs)
        longest.append(1 + max((longest[i] for i in inputs), default=0))
        shortest.append(1 + min((shortest[i] for i in inputs), default=0))
        weighted = sum(means[i] * (numbers[i] / number) for i in inputs) if inputs else 0.0
        means.append(1.0 + weighted)
        numbers.append(float(number or 1.0))
    return np.asarray([longest[-1], shortest[-1], means[-1], np.log(numbers[-1]), shortest[-1] / longest[-1]])
