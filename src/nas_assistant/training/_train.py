"""The whole recipe, from labels to a checkpoint."""

from __future__ import annotations

import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import nas_assistant
from nas_assistant.encoders import GraphEncoder, adopt_kin, embed_arrays
from nas_assistant.errors import UserError
from nas_assistant.evaluation import rank_metrics
from nas_assistant.families import get_family
from nas_assistant.predictors import (
    Calibration,
    GaussianMixture,
    Predictor,
    SizePrior,
    conformal_half_width,
    gain_half_width,
    to_target,
)
from nas_assistant.training._cache import GraphSet, load_graphs
from nas_assistant.training._config import TrainingConfig
from nas_assistant.training._encoder import train_encoder
from nas_assistant.training._regressor import train_experts
from nas_assistant.training._supervised import fine_tune_encoder

Progress = Callable[[str, int, int, str], None]
"""Called with the stage, what is done of it, its total, and a remark."""

_INTERVAL_NETWORKS = 250
"""Networks of each family that sets the width of the intervals of unfamiliar networks."""


def train(
    out: str | Path,
    config: TrainingConfig | None = None,
    *,
    data_root: str | Path | None = None,
    cache_dir: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Predictor:
    """Train a predictor and write its checkpoint.

    Extraction of graphs, encoder without and then with labels, Gaussian mixture, mixture of experts,
    intervals. Interrupted at any moment, the same call goes on: graphs come from the cache, the encoder from
    its last saved state.

    Args:
        out: Folder of the checkpoint; the state of the training lies in its subfolder ``state``.
        config: Settings.
        data_root: Folder of the label tables.
        cache_dir: Folder of the graph cache.
        workers: Processes that extract graphs.
        progress: See :data:`Progress`.

    Raises:
        UserError: The labels are missing, or ``out`` holds a run of other settings.
    """
    config, out = config or TrainingConfig(), Path(out)
    report: Progress = progress or (lambda stage, done, total, remark: None)
    started = time.monotonic()
    networks = get_family(config.family).networks(data_root, limit=config.networks, seed=config.seed)
    if len(networks) < 2 * config.held_out:
        raise UserError(
            f"{config.family}: {len(networks)} networks are too few to hold out {config.held_out}"
        )
    load = partial(load_graphs, cache_dir=cache_dir, workers=workers)
    graphs = load(config.family, networks, progress=lambda done, total: report("graphs", done, total, ""))
    others = [
        load(name, get_family(name).networks(data_root, limit=_INTERVAL_NETWORKS, seed=config.seed))
        for name in config.interval_families
    ]
    learned, calibrating, testing = split(graphs, config)
    state = out / "state"
    unlabelled = list(learned.graphs)
    encoder = train_encoder(unlabelled, config, state / "unsupervised", _reporter(report, "encoder"))
    labels = torch.from_numpy(learned.accuracies).float()
    encoder = fine_tune_encoder(
        encoder, unlabelled, labels, config, state / "supervised", _reporter(report, "fine-tuning")
    )
    adopt_kin(encoder, learned.graphs)
    predictor = _calibrate(_fit_heads(encoder, learned, config, report), calibrating, others, config)
    metadata = {
        "data": {
            "family": config.family,
            "label": get_family(config.family).label,
            "trained_on": len(learned),
            "held_out": len(calibrating) + len(testing),
        },
        "config": config.to_json(),
        "seed": config.seed,
        "metrics": {"held_out": rank_metrics(_accuracies(predictor, testing), testing.accuracies)},
        "version": nas_assistant.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    predictor = replace(predictor, metadata=metadata)
    predictor.save(out)
    return predictor


def split(graphs: GraphSet, config: TrainingConfig) -> tuple[GraphSet, GraphSet, GraphSet]:
    """Networks to learn from, to calibrate on and to test on, apart by the seed."""
    order = list(range(len(graphs)))
    random.Random(config.seed).shuffle(order)
    half = config.held_out // 2
    return (
        graphs.subset(order[config.held_out :]),
        graphs.subset(order[:half]),
        graphs.subset(order[half : config.held_out]),
    )


def _fit_heads(
    encoder: GraphEncoder, learned: GraphSet, config: TrainingConfig, report: Progress
) -> Predictor:
    """Mixture, experts and size prior on top of a trained encoder; the intervals have no width yet."""
    vectors = torch.from_numpy(
        embed_arrays(encoder, learned.graphs, lambda done: report("vectors", done, len(learned), ""))
    )
    mixture = GaussianMixture.fit(vectors, config.components, seed=config.seed)
    report("experts", 0, 1, "")
    experts = train_experts(vectors, torch.from_numpy(learned.accuracies).float(), mixture, config)
    report("experts", 1, 1, "")
    targets = to_target(torch.from_numpy(learned.accuracies)).numpy()
    size_prior = SizePrior.fit(learned.statistics, targets)
    likelihoods = mixture.log_likelihood(vectors).numpy()
    quantiles = tuple(float(q) for q in np.quantile(likelihoods, np.linspace(0.0, 1.0, 101)))
    return Predictor(encoder, mixture, experts, size_prior, Calibration(0.0, 0.0, 0.0, quantiles))


def _calibrate(
    predictor: Predictor, calibrating: GraphSet, others: Sequence[GraphSet], config: TrainingConfig
) -> Predictor:
    """Set the widths of the intervals: on held-out networks, and on families that no step saw."""
    predicted = _accuracies(predictor, calibrating)
    familiar = conformal_half_width(predicted - calibrating.accuracies)
    residuals = [_accuracies(predictor, other) - other.accuracies for other in others]
    calibration = replace(
        predictor.calibration,
        accuracy=familiar,
        gain=gain_half_width(predicted, calibrating.accuracies, config.seed),
        unfamiliar=max(familiar, *(conformal_half_width(r) for r in residuals)) if residuals else familiar,
    )
    return replace(predictor, calibration=calibration)


def _reporter(report: Progress, stage: str) -> Callable[[int, int, dict[str, float]], None]:
    def tell(step: int, total: int, values: dict[str, float]) -> None:
        report(stage, step, total, " ".join(f"{name} {value:.3f}" for name, value in values.items()))

    return tell


def _accuracies(predictor: Predictor, graphs: GraphSet) -> npt.NDArray[np.float64]:
    return np.asarray([prediction.accuracy for prediction in predictor.predict_arrays(graphs.graphs)])
