"""The structure prior alone, without a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.predictors import StructurePrior, from_target
from nas_assistant.training import GraphSet, TrainingConfig, fit_prior


class Structure(BaseBaseline):
    """Statistics with slopes of known sign; see :class:`nas_assistant.predictors.StructurePrior`."""

    name = "structure"
    title = "structure prior alone"
    learns = True
    predicts_accuracy = True

    def __init__(self) -> None:
        self._prior: StructurePrior | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Fit the slopes; nothing in it is random."""
        self._prior = fit_prior(sets, TrainingConfig())

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        if self._prior is None:
            raise RuntimeError("fit the structure prior first")
        targets = self._prior(np.stack([graph.structure for graph in graphs]))
        return from_target(torch.from_numpy(targets)).numpy()
