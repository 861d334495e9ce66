"""How far LEMUR's accuracies can be told from the graph, from the settings of the training, and from both.

Each LEMUR file was trained with a learning rate, batch size, momentum and image transform of its own. A
random forest that sees nine tenths of the files says what a predictor of other families can hope for.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from _report import report
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold, cross_val_predict

from nas_assistant.evaluation import spearman
from nas_assistant.families import find_data_root, get_family
from nas_assistant.families.lemur import LemurModel
from nas_assistant.graphs import Operation
from nas_assistant.training import load_graphs

FOLDS, TREES, LABELS, DRAWS = 10, 300, 50, 5


def settings(model: LemurModel) -> list[float]:
    """What the trainer chose, beside the transform."""
    return [math.log(model.lr), math.log(model.batch), math.log(1.0 - min(model.momentum, 0.9999))]


def forest() -> RandomForestRegressor:
    """Of one seed."""
    return RandomForestRegressor(TREES, min_samples_leaf=2, random_state=0)


def main() -> None:
    """Cross-validate within the family, and learn from 50 files as ``few_labels.py`` does."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    family = get_family("lemur")
    networks = {n.key: n for n in family.networks(find_data_root(), limit=1_000, seed=0)}
    graphs = load_graphs("lemur", list(networks.values()))
    models = [networks[key].encoding for key in graphs.keys]
    accuracies = np.asarray(graphs.accuracies, dtype=np.float64)
    counts = [np.bincount(g.categories[:, 0], minlength=len(Operation)) for g in graphs.graphs]
    graph = np.hstack([np.stack([g.structure for g in graphs.graphs]), np.log1p(counts)])
    transforms = sorted({model.transform for model in models})
    chosen = np.eye(len(transforms))[[transforms.index(model.transform) for model in models]]
    trained = np.hstack([np.asarray([settings(model) for model in models]), chosen])
    rows = []
    for name, features in (
        ("the graph", graph), ("the settings", trained), ("both", np.hstack([graph, trained])),
    ):  # fmt: skip
        folds = KFold(FOLDS, shuffle=True, random_state=0)
        guesses = cross_val_predict(forest(), features, accuracies, cv=folds)
        few = []
        for seed in range(DRAWS):
            order = np.random.default_rng(seed).permutation(len(accuracies))
            seen, rest = order[:LABELS], order[LABELS:]
            fitted = forest().fit(features[seen], accuracies[seen])
            few.append(spearman(fitted.predict(features[rest]), accuracies[rest]))
        rows.append(
            {
                "a forest sees": name,
                "networks": len(accuracies),
                "SRCC, nine tenths of the labels": spearman(guesses, accuracies),
                "SRCC, 50 labels": float(np.mean(few)),
            }
        )
    report("lemur_settings", "LEMUR, five epochs: what a forest trained on the family itself can tell", rows)


if __name__ == "__main__":
    main()
