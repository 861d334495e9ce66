"""One table for one family: the predictor beside random, FLOPs, parameters and depth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant.errors import UserError
from nas_assistant.evaluation._bootstrap import bootstrap_intervals
from nas_assistant.evaluation.baselines import get_baseline
from nas_assistant.families import BaseFamily, Network, get_family, list_families
from nas_assistant.metrics import Array, rank_metrics
from nas_assistant.predictors import Predictor
from nas_assistant.training import STATISTICS, GraphSet, Progress, load_graphs

METRICS = ("srcc", "srcc_top_decile", "kendall", "ndcg10", "ndcg10_floor20", "regret10", "mae")


@dataclass(frozen=True)
class Row:
    """One scorer's metrics; ``mae`` is None where the score is no accuracy.

    Attributes:
        scorer: Its name.
        metrics: Values by name.
        intervals: 90 % bootstrap intervals by name; empty without resamples.
    """

    scorer: str
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of every scorer on one view of a family.

    Attributes:
        family: Name of the family.
        view: Which of its networks.
        label: What the accuracies are.
        networks: How many.
        accuracy: Minimum, median, maximum and standard deviation.
        coverage: Share of the networks whose accuracy lies in the predictor's interval.
        familiarity: Median over the networks.
        rows: The baselines, then the predictor.
    """

    family: str
    view: str
    label: str
    networks: int
    accuracy: dict[str, float]
    coverage: float
    familiarity: float
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def evaluate(
    family: str,
    predictor: Predictor,
    *,
    networks: int | None = 2_000,
    seed: int = 0,
    resamples: int = 1_000,
    data_root: str | Path | None = None,
    cache_dir: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Evaluate a predictor on networks of a family that it was not trained on.

    Args:
        family: Name of the family.
        predictor: The predictor.
        networks: How many to draw at random, None for all.
        seed: Of the draw, of the random baseline and of the bootstrap.
        resamples: Of the bootstrap; 0 for no intervals.
        data_root: Folder of the label tables.
        cache_dir: Folder of the graph cache.
        workers: Processes that extract graphs.
        progress: Called with the graphs that are ready and their total.

    Returns:
        One table for each of the family's views.

    Raises:
        UserError: The labels are missing, or too few networks are left.
    """
    source = get_family(family)
    chosen = unseen_networks(family, predictor, networks, seed, data_root)
    load = partial(load_graphs, cache_dir=cache_dir, workers=workers, progress=progress)
    graphs = load(family, chosen)
    if source.distinct:  # many of its files have one graph, which their encodings do not tell
        learned = _learned_networks(source, predictor, data_root).items()
        known = {content for name, networks in learned for content in load(name, networks).contents}
        new = [place for place, content in enumerate(graphs.contents) if content not in known]
        graphs = graphs.subset(new)
    if len(graphs) < 20:
        raise UserError(
            f"{family}: {len(graphs)} unseen networks are too few to rank; at least 20 are needed"
        )
    predictions = predictor.predict_arrays(graphs.graphs)
    place = {key: index for index, key in enumerate(graphs.keys)}
    results = []
    for view, members in source.views([network for network in chosen if network.key in place]).items():
        # One that has no graph, or the graph of another, is left out.
        indices = [place[network.key] for network in members if network.key in place]
        subset = graphs.subset(indices)
        predicted = [predictions[i] for i in indices]
        inside = [
            p.interval[0] <= accuracy <= p.interval[1]
            for p, accuracy in zip(predicted, subset.accuracies, strict=True)
        ]
        scores = np.asarray([p.accuracy for p in predicted])
        results.append(
            Evaluation(
                family=family,
                view=view,
                label=source.label,
                networks=len(subset),
                accuracy=_spread(subset.accuracies),
                coverage=float(np.mean(inside)),
                familiarity=float(np.median([p.familiarity for p in predicted])),
                rows=(
                    *_baselines(subset, seed, resamples),
                    score_row("predictor", scores, subset.accuracies, seed=seed, resamples=resamples),
                ),
            )
        )
    return results


def unseen_networks(
    family: str, predictor: Predictor, limit: int | None, seed: int, data_root: str | Path | None
) -> list[Network[Any]]:
    """Networks that the predictor did not learn from, in a random order.

    None is another encoding of one that it learned from or that its training held out. Some of a family that
    is among the training's ``interval_families`` did set the width of its intervals.

    Raises:
        UserError: The labels are missing, or the checkpoint does not say what it learned from.
    """
    source = get_family(family)
    learned = _learned_networks(source, predictor, data_root)
    known = {get_family(name).identity_of(one) for name, networks in learned.items() for one in networks}
    order = predictor.metadata["config"]["sample_seed"] if family in learned else seed
    networks = source.networks(data_root, limit=10**9, seed=order)
    unseen = [one for one in networks if source.identity_of(one) not in known] if known else networks
    return unseen[:limit]


def _learned_networks(
    family: BaseFamily[Any], predictor: Predictor, data_root: str | Path | None
) -> dict[str, list[Network[Any]]]:
    """The networks that a training took, by family, of those whose labels are in the same table."""
    config = predictor.metadata.get("config") or {}
    names = [name for name in config.get("families", [config.get("family")]) if name in list_families()]
    same = [one for one in map(get_family, names) if one.table == family.table]
    try:
        # It takes the first of an order of its own.
        return {
            one.name: one.networks(data_root, limit=config["networks"], seed=config["sample_seed"])
            for one in same
        }
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the checkpoint does not say which networks of {family.name} it learned from ({error}): "
            "take one that `nas-assistant train` wrote"
        ) from None


def score_row(
    scorer: str,
    scores: Array,
    accuracies: Array,
    *,
    predicts_accuracy: bool = True,
    seed: int = 0,
    resamples: int = 1_000,
) -> Row:
    """Metrics and intervals of one scorer.

    Args:
        scorer: Its name.
        scores: ``(networks,)``.
        accuracies: ``(networks,)``, in [0, 1].
        predicts_accuracy: Whether the scores are accuracies.
        seed: Of the bootstrap.
        resamples: Of the bootstrap; 0 for no intervals.
    """
    metrics: dict[str, float | None] = dict(rank_metrics(scores, accuracies))
    intervals: dict[str, tuple[float, float] | None] = {}
    if resamples:
        intervals.update(bootstrap_intervals(scores, accuracies, resamples=resamples, seed=seed))
    if not predicts_accuracy:
        metrics["mae"] = None
        if resamples:
            intervals["mae"] = None
    return Row(scorer, metrics, intervals)


def _baselines(graphs: GraphSet, seed: int, resamples: int) -> list[Row]:
    """Those that learn nothing."""
    rows = []
    for name in ("random", *STATISTICS):
        baseline = get_baseline(name)
        baseline.fit([], seed)
        scores = baseline.score(graphs.graphs)
        rows.append(
            score_row(
                name,
                scores,
                graphs.accuracies,
                predicts_accuracy=baseline.predicts_accuracy,
                seed=seed,
                resamples=resamples,
            )
        )
    return rows


def _spread(accuracies: Array) -> dict[str, float]:
    return {
        "min": float(accuracies.min()),
        "median": float(np.median(accuracies)),
        "max": float(accuracies.max()),
        "std": float(accuracies.std()),
    }
