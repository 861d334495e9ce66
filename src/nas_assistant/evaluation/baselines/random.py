"""Random scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline


class Random(BaseBaseline):
    """A number drawn for each graph: what a metric gives for nothing."""

    name = "random"
    title = "random"

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Uniform in [0, 1), ``(graphs,)``."""
        return np.random.default_rng(self.seed).random(len(graphs))
