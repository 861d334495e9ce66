"""Rank by the weighted operations on the longest path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline
from nas_assistant.training import STATISTICS

_COLUMN = STATISTICS.index("depth")


class Depth(BaseBaseline):
    """More is better."""

    name = "depth"
    title = "weighted operations on the longest path"

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """The weighted operations on the longest path, ``(graphs,)``."""
        return np.asarray([graph.size[_COLUMN] for graph in graphs], dtype=np.float64)
