"""The thesis's NAS Assist as it is written, without what this package adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.nn import functional as F

from nas_assistant.encoders import SIZES, GraphArrays, GraphEncoder, embed_arrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.evaluation.baselines._fitting import Labels, descend
from nas_assistant.evaluation.baselines._nodes import SCALES, linear_sizes
from nas_assistant.predictors import GaussianMixture, MixtureOfExperts
from nas_assistant.training import GraphSet, TrainingConfig, train_encoder

_STEPS = 250
_COMPONENTS = 50
_EXPERT_EPOCHS = 60
_KEPT = tuple(name for name in SIZES if name in SCALES)


class Thesis(BaseBaseline):
    """Unsupervised encoder, Gaussian mixture as the gate, experts fitted by squared error (Mishra 2023, 2.1).

    No labels reach the encoder, nodes are not masked, sizes are scaled and not in logarithms, and there is
    neither a size prior nor kin for unseen operations. The signs of the printed soft labels are corrected.
    """

    name = "thesis"
    title = "NAS Assist as written (Mishra 2023)"
    learns = True
    predicts_accuracy = True

    def __init__(self) -> None:
        self._fitted: tuple[GraphEncoder, GaussianMixture, MixtureOfExperts, Labels] | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Train the encoder without labels, cluster its vectors, train the experts on them."""
        labels, families = Labels.of(sets), [[_as_written(graph) for graph in one.graphs] for one in sets]
        graphs = [graph for family in families for graph in family]
        encoder = _train_encoder(families, seed, progress)
        vectors = torch.from_numpy(embed_arrays(encoder, graphs))
        mixture = GaussianMixture.fit(vectors, _COMPONENTS, seed=seed)
        gates = mixture.posterior(vectors)
        torch.manual_seed(seed)
        experts = MixtureOfExperts(vectors.shape[1], len(mixture.means))
        descend(
            experts,
            lambda chosen: F.mse_loss(experts(vectors[chosen], gates[chosen]), labels.values[chosen]),
            len(graphs),
            stage="experts",
            epochs=_EXPERT_EPOCHS,
            batch=256,
            rate=1e-3,
            seed=seed,
            progress=progress,
        )
        self._fitted = (encoder, mixture, experts, labels)

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        if self._fitted is None:
            raise RuntimeError("fit the thesis's predictor first")
        encoder, mixture, experts, labels = self._fitted
        vectors = torch.from_numpy(embed_arrays(encoder, [_as_written(graph) for graph in graphs]))
        with torch.inference_mode():
            return labels.accuracies(experts(vectors, mixture.posterior(vectors)).double().numpy())


def _train_encoder(families: list[list[GraphArrays]], seed: int, progress: Progress | None) -> GraphEncoder:
    config = TrainingConfig(
        seed=seed, encoder_steps=_STEPS, supervised_steps=0, node_dropout=0.0, save_every=_STEPS
    )

    def report(step: int, total: int, losses: dict[str, float]) -> None:
        if progress is not None:
            progress("encoder", step, total)

    with TemporaryDirectory() as folder:
        return train_encoder(families, config, Path(folder), report)


def _as_written(graph: GraphArrays) -> GraphArrays:
    """The graph with sizes scaled by fixed numbers; what the thesis does not name is 0."""
    sizes = np.zeros_like(graph.sizes)
    sizes[:, [SIZES.index(name) for name in _KEPT]] = linear_sizes(graph, _KEPT)
    return replace(graph, sizes=sizes)
