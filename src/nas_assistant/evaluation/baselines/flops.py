"""Rank by the FLOPs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline
from nas_assistant.training import STATISTICS

_COLUMN = STATISTICS.index("flops")


class Flops(BaseBaseline):
    """More is better."""

    name = "flops"
    title = "FLOPs"

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """The FLOPs, ``(graphs,)``."""
        return np.asarray([graph.size[_COLUMN] for graph in graphs], dtype=np.float64)
