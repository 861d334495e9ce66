"""Draw every family as the predictor sees it: maps of the embedding, and predicted against measured."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _families import FAMILIES
from _report import report

from nas_assistant.evaluation import spearman, unseen_networks
from nas_assistant.families import get_family
from nas_assistant.predictors import Predictor
from nas_assistant.reports import plot_families, plot_family, plot_predictions, save
from nas_assistant.training import GraphSet, TrainingConfig, load_graphs
from nas_assistant.training._train import split

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
FEWEST = 200
"""With fewer unseen networks than this, a map shows those of the training too."""


@dataclass(frozen=True)
class Drawn:
    """Networks of a family, those first that the predictor was not trained on."""

    graphs: GraphSet
    unseen: int

    def ranked(self) -> GraphSet:
        """The unseen ones, or all where all were seen."""
        return self.graphs.subset(range(self.unseen or len(self.graphs)))

    def some(self, count: int, seed: int) -> GraphSet:
        """At most ``count``, drawn at random."""
        order = list(range(len(self.graphs)))
        return self.graphs.subset(sorted(random.Random(seed).sample(order, min(count, len(order)))))


def choose(family: str, predictor: Predictor, limit: int, seed: int, extract: bool) -> Drawn:
    """Networks to draw of one family."""
    unseen = unseen_networks(family, predictor, limit, seed, None)
    graphs = load_graphs(family, unseen, extract=extract)
    settings = predictor.metadata.get("config", {})
    if len(graphs) >= FEWEST or family not in settings.get("families", ()):
        return Drawn(graphs, len(graphs))
    config = TrainingConfig(**settings)
    members = get_family(family).networks(limit=config.networks, seed=config.sample_seed)
    graphs = load_graphs(family, members, extract=extract)
    learned, calibrating, testing = split(graphs, config)
    place = {key: index for index, key in enumerate(graphs.keys)}
    order = [place[key] for part in (testing, calibrating, learned) for key in part.keys]
    return Drawn(graphs.subset(order[:limit]), min(len(testing) + len(calibrating), limit))


def row(drawn: Drawn, predictor: Predictor) -> dict[str, Any]:
    """What the pictures of a family show, in numbers."""
    vectors = predictor.embed_arrays(drawn.graphs.graphs)
    posterior = predictor.mixture.posterior(torch.from_numpy(vectors))
    shares = np.bincount(posterior.argmax(dim=1).numpy()) / len(vectors)
    variances = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    ranked = drawn.ranked()
    predictions = predictor.predict_arrays(ranked.graphs)
    inside = [
        p.interval[0] <= a <= p.interval[1] for p, a in zip(predictions, ranked.accuracies, strict=True)
    ]
    comparable = get_family(ranked.family).comparable
    return {
        "family": ranked.family,
        "networks": len(drawn.graphs),
        "unseen": drawn.unseen,
        "variance_of_2": float(variances[:2].sum() / variances.sum()),
        "components": int((shares > 0).sum()),
        "largest": float(shares.max()),
        "srcc": float(spearman(np.asarray([p.accuracy for p in predictions]), ranked.accuracies)),
        "coverage": float(np.mean(inside)) if comparable else "ranks only",
    }


def separation(graphs: Sequence[GraphSet], predictor: Predictor) -> str:
    """How far families lie apart: whose family the nearest other network is of, and what components hold."""
    from sklearn.neighbors import NearestNeighbors

    vectors = predictor.embed_arrays([item for part in graphs for item in part.graphs])
    families = np.concatenate([np.full(len(part), index) for index, part in enumerate(graphs)])
    nearest = NearestNeighbors(n_neighbors=1).fit(vectors).kneighbors(return_distance=False)[:, 0]
    same = float((families[nearest] == families).mean())
    components = predictor.mixture.posterior(torch.from_numpy(vectors)).argmax(dim=1).numpy()
    owners = [len(set(families[components == c].tolist())) for c in np.unique(components)]
    return (
        f"the nearest neighbour is of the same family for {same:.1%} of {len(vectors):,} networks; "
        f"{sum(count == 1 for count in owners)} of {len(owners)} components hold one family only"
    )


def main() -> None:
    """Draw all and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictor", help="checkpoint folder or name; the shipped one by default")
    parser.add_argument("--networks", type=int, default=1_000, help="networks of each family, at most")
    parser.add_argument("--shared", type=int, default=300, help="networks of each in the map of all families")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cached", action="store_true", help="only networks whose graphs are in the cache")
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(arguments.predictor)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, chosen = [], []
    for family in arguments.families:
        drawn = choose(family, predictor, arguments.networks, arguments.seed, not arguments.cached)
        chosen.append(drawn)
        figure = plot_family(drawn.graphs, predictor, seed=arguments.seed, unseen=drawn.unseen)
        save(figure, arguments.out / f"{family}.png", dpi=100, colours=256)
        rows.append(row(drawn, predictor))
        print(rows[-1], flush=True)
    shared = [drawn.some(arguments.shared, arguments.seed) for drawn in chosen]
    figure = plot_families(shared, predictor, seed=arguments.seed)
    save(figure, arguments.out / "families.png", dpi=100, colours=256)
    figure = plot_predictions([drawn.ranked() for drawn in chosen], predictor)
    save(figure, arguments.out / "predicted.png", dpi=100, colours=256)
    report("pictures", f"What the pictures show; {separation(shared, predictor)}", rows)


if __name__ == "__main__":
    main()
