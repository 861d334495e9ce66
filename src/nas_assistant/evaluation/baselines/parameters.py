"""Rank by the number of parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline
from nas_assistant.training import STATISTICS

_COLUMN = STATISTICS.index("parameters")


class Parameters(BaseBaseline):
    """More is better."""

    name = "parameters"
    title = "number of parameters"

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """The number of parameters, ``(graphs,)``."""
        return np.asarray([graph.size[_COLUMN] for graph in graphs], dtype=np.float64)
