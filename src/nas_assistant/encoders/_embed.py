"""Vectors of many graphs, in batches that pad little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from nas_assistant.encoders._encoder import GraphEncoder
from nas_assistant.encoders._features import GraphArrays, GraphBatch

_BATCH_NODES = 4_096


def embed_arrays(
    encoder: GraphEncoder, arrays: Sequence[GraphArrays], progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float32]:
    """Encode graphs without gradients.

    Args:
        encoder: In evaluation mode.
        arrays: The graphs.
        progress: Called with the number of graphs done after each batch.

    Returns:
        ``(graphs, 512)``, in the order given.
    """
    result = np.zeros((len(arrays), encoder.width), dtype=np.float32)
    done = 0
    with torch.no_grad():
        for indices in _batches(arrays):
            result[indices] = encoder(GraphBatch.collate([arrays[i] for i in indices])).numpy()
            done += len(indices)
            if progress is not None:
                progress(done)
    return result


def _batches(arrays: Sequence[GraphArrays]) -> Iterator[list[int]]:
    """Indices of graphs of about one size, within a budget of nodes."""
    batch: list[int] = []
    for index in sorted(range(len(arrays)), key=lambda i: len(arrays[i])):
        if batch and (len(batch) + 1) * len(arrays[index]) > _BATCH_NODES:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
