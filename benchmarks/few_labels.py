"""Ranking after fine-tuning on a few labels, beside the predictor before and a random forest on the same.

python benchmarks/few_labels.py
python benchmarks/few_labels.py --families lemur --labels 30 --rest 100 --draws 20
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from _families import FAMILIES
from _report import report

from nas_assistant.evaluation import spearman
from nas_assistant.evaluation.baselines import get_baseline
from nas_assistant.families import get_family
from nas_assistant.predictors import Predictor
from nas_assistant.training import fine_tune, load_graphs


def main() -> None:
    """Draw, fine-tune, rank the rest, and report means over the draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictor", default="nb101", help="checkpoint folder or name")
    parser.add_argument("--families", nargs="+", default=[name for name in FAMILIES if name != "nb101"])
    parser.add_argument("--networks", type=int, default=1_000, help="networks of each family")
    parser.add_argument("--labels", type=int, default=50)
    parser.add_argument("--rest", type=int, help="rank only so many of the others")
    parser.add_argument("--draws", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(arguments.predictor)
    rows = [
        _row(family, predictor, arguments.networks, arguments.labels, arguments.rest, arguments.draws)
        for family in arguments.families
    ]
    name = "few_labels" if arguments.labels == 50 else f"few_labels_{arguments.labels}"
    report(name, f"SRCC on the rest after {arguments.labels} labels", rows)


def _row(
    family: str, predictor: Predictor, networks: int, labels: int, most: int | None, draws: int
) -> dict[str, Any]:
    graphs = load_graphs(family, get_family(family).networks(limit=networks, seed=0))
    scores: dict[str, list[float]] = {"before": [], "random_forest": [], "after": [], "after_coverage": []}
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(graphs)).tolist()
        known, rest = graphs.subset(order[:labels]), graphs.subset(order[labels:][:most])
        forest = get_baseline("random_forest")
        forest.fit([known], seed)
        tuned = fine_tune(predictor, known, seed=seed).predict_arrays(rest.graphs)
        before = [p.accuracy for p in predictor.predict_arrays(rest.graphs)]
        scores["before"].append(spearman(np.asarray(before), rest.accuracies))
        scores["random_forest"].append(spearman(forest.score(rest.graphs), rest.accuracies))
        scores["after"].append(spearman(np.asarray([p.accuracy for p in tuned]), rest.accuracies))
        inside = [p.interval[0] <= a <= p.interval[1] for p, a in zip(tuned, rest.accuracies, strict=True)]
        scores["after_coverage"].append(float(np.mean(inside)))
    deviation = float(graphs.accuracies.std())
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    raised = sum(after > before for after, before in zip(scores["after"], scores["before"], strict=True))
    facts = {"family": family, "networks": len(graphs), "deviation": deviation, "draws": draws}
    return {**facts, **means, "raised in draws": raised}


if __name__ == "__main__":
    main()
