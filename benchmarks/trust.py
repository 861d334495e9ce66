"""Does a predicted gain hold where familiarity falls?

Pairs of networks of one family that the default checkpoint did not learn from, whose predicted gain is a
quarter of the predictions' deviation or more, by how much less familiar the second is. Where gains no longer
hold, ``improve`` should believe only their low end (``--familiarity-margin``).
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _report import report

from nas_assistant.evaluation import unseen_networks
from nas_assistant.families import get_family
from nas_assistant.predictors import Predictor
from nas_assistant.training import load_graphs

FAMILIES = ("nb101", "nb201", "nb301", "channel_resnet", "channel_mobilenet")
LOSSES = (-1.0, 0.0, 0.1, 0.2, 0.3, 0.5)
PAIRS, LEAST, RESAMPLES = 100_000, 1_000, 500

Array = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1_000, help="of each family")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load()
    rows = []
    for name in FAMILIES:
        family = get_family(name)
        networks = unseen_networks(name, predictor, arguments.networks, arguments.seed, None)
        if name == "nb201":
            networks = family.views(networks)["distinct, without none"]
        graphs = load_graphs(name, networks)
        made = predictor.predict_arrays(graphs.graphs)
        predicted = np.asarray([one.accuracy for one in made])
        familiarity = np.asarray([one.familiarity for one in made])
        rows += family_rows(family.title, predicted, familiarity, graphs.accuracies, arguments.seed)
    report("trust", "Gains in points, by loss of familiarity; 90 % bootstrap over networks", rows)


def family_rows(
    title: str, predicted: Array, familiarity: Array, true: Array, seed: int
) -> list[dict[str, Any]]:
    """One row for each band of the loss that has enough pairs."""
    draw = np.random.default_rng(seed)
    before, after = draw.integers(len(true), size=(2, PAIRS))
    gain, loss = predicted[after] - predicted[before], familiarity[before] - familiarity[after]
    rows = []
    for low, high in itertools.pairwise(LOSSES):
        chosen = (gain >= predicted.std() / 4) & (loss >= low) & (loss < high)
        if chosen.sum() < LEAST:
            continue
        i, j = before[chosen], after[chosen]
        real = true[j] - true[i]
        counts = draw.multinomial(len(true), np.full(len(true), 1 / len(true)), RESAMPLES)
        weights = counts[:, i] * counts[:, j]
        share = (weights * real).sum(axis=1) / (weights * gain[chosen]).sum(axis=1)
        rows.append(
            {
                "family": title,
                "loss": f"{low:.1f} to {high:.1f}" if low >= 0 else "none",
                "pairs": int(chosen.sum()),
                "predicted gain": float(100 * gain[chosen].mean()),
                "true gain": float(100 * real.mean()),
                "true share": float(real.mean() / gain[chosen].mean()),
                "low": float(np.quantile(share, 0.05)),
                "high": float(np.quantile(share, 0.95)),
                "truly better": float((real > 0).mean()),
            }
        )
    return rows


if __name__ == "__main__":
    main()
