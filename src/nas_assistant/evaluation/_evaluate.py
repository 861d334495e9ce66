"""One table for one family: the predictor beside random, FLOPs, parameters and depth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant.errors import UserError
from nas_assistant.evaluation._metrics import Array, rank_metrics
from nas_assistant.families import Network, get_family
from nas_assistant.predictors import Predictor
from nas_assistant.training import STATISTICS, GraphSet, load_graphs
from nas_assistant.training._cache import Progress

METRICS = ("srcc", "kendall", "ndcg10", "ndcg10_floor20", "regret10", "mae")


@dataclass(frozen=True)
class Row:
    """One scorer's metrics; ``mae`` is None where the score is no accuracy."""

    scorer: str
    metrics: dict[str, float | None]


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
        seed: Of the draw and of the random baseline.
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
    if len(chosen) < 20:
        raise UserError(
            f"{family}: {len(chosen)} unseen networks are too few to rank; at least 20 are needed"
        )
    graphs = load_graphs(family, chosen, cache_dir=cache_dir, workers=workers, progress=progress)
    predictions = predictor.predict_arrays(graphs.graphs)
    place = {key: index for index, key in enumerate(graphs.keys)}
    results = []
    for view, members in source.views([network for network in chosen if network.key in place]).items():
        indices = [place[network.key] for network in members]
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
                    *_baselines(subset, seed),
                    Row("predictor", dict(rank_metrics(scores, subset.accuracies))),
                ),
            )
        )
    return results


def unseen_networks(
    family: str, predictor: Predictor, limit: int | None, seed: int, data_root: str | Path | None
) -> list[Network[Any]]:
    """Networks that the predictor's training did not touch, in a random order."""
    config = predictor.metadata.get("config", {})
    if config.get("family") != family:
        return get_family(family).networks(data_root, limit=limit or 10**9, seed=seed)
    # The training takes the first networks of its own order; what follows them is unseen.
    ordered = get_family(family).networks(data_root, limit=10**9, seed=config["seed"])
    rest = ordered[config["networks"] :]
    return rest if limit is None else rest[:limit]


def _baselines(graphs: GraphSet, seed: int) -> list[Row]:
    scores: dict[str, Array] = {"random": np.random.default_rng(seed).random(len(graphs))}
    scores.update({name: graphs.statistics[:, column] for column, name in enumerate(STATISTICS)})
    return [
        Row(name, {**rank_metrics(values, graphs.accuracies), "mae": None}) for name, values in scores.items()
    ]


def _spread(accuracies: Array) -> dict[str, float]:
    return {
        "min": float(accuracies.min()),
        "median": float(np.median(accuracies)),
        "max": float(accuracies.max()),
        "std": float(accuracies.std()),
    }
