"""The same statistics as the structure prior's, with slopes of any sign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.training import GraphSet


class UnsignedStructure(BaseBaseline):
    """Least squares within families, to show what the signs and the penalty are worth."""

    name = "unsigned_structure"
    title = "structure statistics, least squares"
    learns = True

    def __init__(self) -> None:
        self._slopes: Array | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Fit the slopes; nothing in it is random."""
        rows, wanted = [], []
        for one in sets:
            statistics = np.stack([graph.structure for graph in one.graphs])
            targets = -np.log(np.maximum(1.0 - one.accuracies, 1e-4))
            rows.append((statistics - statistics.mean(axis=0)) / np.sqrt(len(one)))
            wanted.append((targets - targets.mean()) / (max(targets.std(), 1e-9) * np.sqrt(len(one))))
        self._slopes = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Numbers that only rank, ``(graphs,)``."""
        if self._slopes is None:
            raise RuntimeError("fit the slopes first")
        return np.asarray(np.stack([graph.structure for graph in graphs]) @ self._slopes)
