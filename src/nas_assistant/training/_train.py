"""The whole recipe, from labels to a checkpoint."""

from __future__ import annotations

import platform
import random
import sys
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
from nas_assistant.families import get_family
from nas_assistant.metrics import rank_metrics
from nas_assistant.predictors import (
    COVERAGE,
    Calibration,
    GaussianMixture,
    Predictor,
    StructurePrior,
    Vocabulary,
    Widths,
    conformal_half_width,
    pair_residuals,
    robust_scale,
    to_target,
)
from nas_assistant.training._cache import GraphSet, load_graphs
from nas_assistant.training._config import TrainingConfig
from nas_assistant.training._encoder import train_encoder
from nas_assistant.training._regressor import train_experts
from nas_assistant.training._supervised import fine_tune_encoder

Array = npt.NDArray[np.float64]

Progress = Callable[[str, int, int, str], None]
"""Called with the stage, what is done of it, its total, and a remark."""

_LEFT_OUT_COVERAGE = 0.95
"""Share of the networks of families left out that an interval covers, to cover nine in ten of the next one.

With as few families as there are, no share guarantees that: the next one may be the farthest off of all.
"""

_INTERVAL_NETWORKS = 250
"""Networks of each family that only sets the width of the intervals of unfamiliar networks."""


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

    Extraction of graphs, structure prior, encoder without and then with labels, Gaussian mixture, mixture of
    experts, intervals. Interrupted at any moment, the same call goes on: graphs come from the cache, the
    encoder from its last saved state.

    Args:
        out: Folder of the checkpoint; the state of the training lies in its subfolder ``state``.
        config: Settings.
        data_root: Folder of the label tables.
        cache_dir: Folder of the graph cache.
        workers: Processes that extract graphs.
        progress: See :data:`Progress`.

    Raises:
        UserError: The labels are missing or too few, or ``out`` holds a run of other settings.
    """
    config, out = config or TrainingConfig(), Path(out)
    report: Progress = progress or (lambda stage, done, total, remark: None)
    started = time.monotonic()
    load = partial(
        _load, config=config, data_root=data_root, cache_dir=cache_dir, workers=workers, report=report
    )
    parts = [split(load(name, config.networks), config) for name in config.families]
    learned, calibrating, testing = (list(sets) for sets in zip(*parts, strict=True))
    unseen = [name for name in config.interval_families if name not in config.families]
    others = [load(name, _INTERVAL_NETWORKS) for name in unseen]
    predictor = fit_predictor(learned, calibrating, others, config, out / "state", report)
    metadata = {
        "data": {
            "families": {g.family: len(g) for g in learned},
            "labels": {g.family: get_family(g.family).label for g in learned},
            "held_out": {g.family: len(g) + len(t) for g, t in zip(calibrating, testing, strict=True)},
        },
        "config": config.to_json(),
        "seed": config.seed,
        "metrics": {
            g.family: rank_metrics(_accuracies(predictor, g), g.accuracies) | {"networks": len(g)}
            for g in testing
        },
        "version": nas_assistant.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "peak_memory_mib": _peak_memory(),
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    predictor = replace(predictor, metadata=metadata)
    predictor.save(out)
    return predictor


def fit_predictor(
    learned: Sequence[GraphSet],
    calibrating: Sequence[GraphSet],
    others: Sequence[GraphSet],
    config: TrainingConfig,
    state: Path,
    report: Progress,
) -> Predictor:
    """The recipe on graphs that are there already.

    Args:
        learned: Labelled graphs of each family.
        calibrating: Networks of the same families that no step sees, for the intervals of familiar ones.
        others: Of other families, for the intervals of unfamiliar ones.
        config: Settings.
        state: Where the encoder's state is kept.
        report: See :data:`Progress`.
    """
    prior = fit_prior(learned, config)
    targets = [_targets(graphs, prior, learned) for graphs in learned]
    encoder = _train_encoder(learned, targets, prior, config, state, report)
    predictor = _fit_heads(encoder, learned, targets, prior, config, report)
    return _calibrate(predictor, learned, calibrating, others, config)


def split(graphs: GraphSet, config: TrainingConfig) -> tuple[GraphSet, GraphSet, GraphSet]:
    """Networks to learn from, to calibrate on and to test on, apart by the seed.

    Of those held out, the ones with the graph of a network that is learned are left out.

    Raises:
        UserError: That leaves fewer than two.
    """
    order = list(range(len(graphs)))
    random.Random(config.seed).shuffle(order)
    held_out = min(config.held_out, len(graphs) // 5)
    learned = graphs.subset(order[held_out:])
    known, contents = set(learned.contents), graphs.contents
    kept = [place for place in order[:held_out] if contents[place] not in known]
    if len(kept) < 2:
        raise UserError(
            f"{graphs.family}: {len(kept)} of the {held_out} networks held out have a graph of their own, "
            "too few to calibrate on and to test: take more with --networks and --held-out"
        )
    half = len(kept) // 2
    return learned, graphs.subset(kept[:half]), graphs.subset(kept[half:])


def fit_prior(learned: Sequence[GraphSet], config: TrainingConfig) -> StructurePrior:
    """The structure prior of those families whose labels are accuracies, or of all where none is."""
    counted = [graphs for graphs in learned if _comparable(graphs)] or learned
    return StructurePrior.fit(
        [structure(graphs) for graphs in counted],
        [_to_targets(graphs.accuracies) for graphs in counted],
        penalty=config.penalty,
    )


def structure(graphs: GraphSet) -> Array:
    """Statistics of every graph, ``(networks, len(STRUCTURE))``."""
    return np.stack([one.structure for one in graphs.graphs])


def _load(
    name: str,
    networks: int,
    *,
    config: TrainingConfig,
    data_root: str | Path | None,
    cache_dir: Path | None,
    workers: int | None,
    report: Progress,
) -> GraphSet:
    members = get_family(name).networks(data_root, limit=networks, seed=config.sample_seed)
    stage = "graphs" if len(config.families) == 1 else f"graphs, {name}"
    graphs = load_graphs(
        name,
        members,
        cache_dir=cache_dir,
        workers=workers,
        progress=lambda done, total: report(stage, done, total, ""),
    )
    if len(graphs) < 40:
        raise UserError(f"{name}: {len(graphs)} networks are too few to train on; at least 40 are needed")
    return graphs


def _targets(graphs: GraphSet, prior: StructurePrior, learned: Sequence[GraphSet]) -> torch.Tensor:
    """What the experts learn: labels that only rank are brought to the scale and level of the others."""
    targets = _to_targets(graphs.accuracies)
    if not _comparable(graphs):
        counted = [one for one in learned if _comparable(one)] or learned
        scale = np.mean([robust_scale(_to_targets(one.accuracies)) for one in counted])
        level = prior(structure(graphs)).mean()
        targets = level + scale * (targets - np.median(targets)) / robust_scale(targets)
    return torch.from_numpy(targets).float()


def _train_encoder(
    learned: Sequence[GraphSet],
    targets: Sequence[torch.Tensor],
    prior: StructurePrior,
    config: TrainingConfig,
    state: Path,
    report: Progress,
) -> GraphEncoder:
    """Encoder without and then with labels."""
    families = [graphs.graphs for graphs in learned]
    encoder = train_encoder(families, config, state / "unsupervised", _reporter(report, "encoder"))
    encoder = fine_tune_encoder(
        encoder,
        families,
        targets,
        prior.width_octave,
        config,
        state / "supervised",
        _reporter(report, "fine-tuning"),
    )
    if config.adopt_kin:
        adopt_kin(encoder, [graph for graphs in families for graph in graphs])
    return encoder


def _fit_heads(
    encoder: GraphEncoder,
    learned: Sequence[GraphSet],
    targets: Sequence[torch.Tensor],
    prior: StructurePrior,
    config: TrainingConfig,
    report: Progress,
) -> Predictor:
    """Mixture and experts on top of a trained encoder; the intervals have no width yet."""
    graphs = [graph for one in learned for graph in one.graphs]
    vectors = torch.from_numpy(
        embed_arrays(encoder, graphs, lambda done: report("vectors", done, len(graphs), ""))
    )
    mixture = GaussianMixture.fit(vectors, config.components, seed=config.seed)
    report("experts", 0, 1, "")
    weights = torch.cat([torch.full((len(g),), len(graphs) / (len(learned) * len(g))) for g in learned])
    experts = train_experts(vectors, torch.cat(list(targets)), weights, mixture, config)
    report("experts", 1, 1, "")
    likelihoods = mixture.log_likelihood(vectors).numpy()
    quantiles = tuple(float(q) for q in np.quantile(likelihoods, np.linspace(0.0, 1.0, 101)))
    unknown = Widths(0.0, 0.0, config.unfamiliar_share)
    calibration = Calibration(Widths(0.0, 0.0, 1.0), unknown, quantiles)
    return Predictor(encoder, mixture, experts, prior, Vocabulary.of(graphs), calibration)


def _calibrate(
    predictor: Predictor,
    learned: Sequence[GraphSet],
    calibrating: Sequence[GraphSet],
    others: Sequence[GraphSet],
    config: TrainingConfig,
) -> Predictor:
    """Set the intervals: on held-out networks, and on families that no step saw."""
    near = [_residuals(predictor, graphs) for graphs in calibrating if _comparable(graphs)]
    far = [_residuals(predictor, graphs) for graphs in others if _comparable(graphs)]
    if len(learned) > 1:
        far += [_left_out(graphs, learned, config) for graphs in learned if _comparable(graphs)]
    calibration = predictor.calibration

    def widths(residuals: Sequence[Array], coverage: float, share: float) -> Widths:
        pairs = [pair_residuals(r, config.seed) for r in residuals]
        return Widths(conformal_half_width(residuals, coverage), conformal_half_width(pairs, coverage), share)

    familiar = widths(near or far, COVERAGE, calibration.familiar.share)
    unfamiliar = widths(far or near, _LEFT_OUT_COVERAGE, calibration.unfamiliar.share)
    # What is unfamiliar is never surer, however even the families left out happened to be.
    unfamiliar = replace(
        unfamiliar,
        accuracy=max(unfamiliar.accuracy, familiar.accuracy),
        gain=max(unfamiliar.gain, familiar.gain),
    )
    return replace(predictor, calibration=replace(calibration, familiar=familiar, unfamiliar=unfamiliar))


def _left_out(graphs: GraphSet, learned: Sequence[GraphSet], config: TrainingConfig) -> Array:
    """Residuals of a family's structure prior fitted to the other families."""
    prior = fit_prior([other for other in learned if other.family != graphs.family], config)
    return prior(structure(graphs)) - _to_targets(graphs.accuracies)


def _peak_memory() -> int:
    """Most memory that this process has had, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


def _comparable(graphs: GraphSet) -> bool:
    return get_family(graphs.family).comparable


def _residuals(predictor: Predictor, graphs: GraphSet) -> Array:
    return _to_targets(_accuracies(predictor, graphs)) - _to_targets(graphs.accuracies)


def _reporter(report: Progress, stage: str) -> Callable[[int, int, dict[str, float]], None]:
    def tell(step: int, total: int, values: dict[str, float]) -> None:
        report(stage, step, total, " ".join(f"{name} {value:.3f}" for name, value in values.items()))

    return tell


def _accuracies(predictor: Predictor, graphs: GraphSet) -> Array:
    return np.asarray([prediction.accuracy for prediction in predictor.predict_arrays(graphs.graphs)])


def _to_targets(accuracies: Array) -> Array:
    return np.asarray(to_target(torch.from_numpy(accuracies)))
