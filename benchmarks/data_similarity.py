"""Does the bound on other data sets hold on data sets that it was not fitted to?

The same networks of NAS-Bench-201 are labelled on CIFAR-10 (trained on all and on half of the images),
CIFAR-100 and ImageNet16-120; Once-for-All networks on ImageNet. The bound is fitted to some of these and held
against another: for accuracies and for gains between random pairs, from measured CIFAR-10 accuracies and from
predicted ones (by a checkpoint that learned from NAS-Bench-101 alone).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _report import report

from nas_assistant.evaluation import spearman
from nas_assistant.families import find_data_root, get_family
from nas_assistant.predictors import Prediction, Predictor
from nas_assistant.similarity import MeasuredSet, Reference, Transfer, described_distance
from nas_assistant.sources import read_samples
from nas_assistant.training import load_graphs

Array = npt.NDArray[np.float64]
PACKAGE = Path(__file__).resolve().parent.parent / "src" / "nas_assistant" / "similarity"
PER_CLASS, RESOLUTION, CLASSES = 5_000, 32, 10
"""Of CIFAR-10."""


@dataclass(frozen=True)
class Facts:
    """What is known of a data set without its images."""

    title: str
    classes: int
    per_class: float
    resolution: float

    @property
    def distance(self) -> float:
        """From CIFAR-10, in octaves."""
        return sum(described_distance(self.per_class, self.resolution, PER_CLASS, RESOLUTION).values())


SETS = {
    "cifar10_val_200": Facts("CIFAR-10, half of the images", 10, 2_500, 32),
    "cifar100_test_200": Facts("CIFAR-100", 100, 500, 32),
    "imagenet16_test_200": Facts("ImageNet16-120", 120, 1_264, 16),
}
CIFAR10 = Facts("CIFAR-10 itself", CLASSES, PER_CLASS, RESOLUTION)
IMAGENET = Facts("ImageNet (Once-for-All)", 1_000, 1_281, 224)


def main() -> None:
    """Fit, check, report; or measure the reference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--reference", action="store_true", help="measure CIFAR-10 anew and write its figures"
    )
    parser.add_argument("--write", action="store_true", help="write the bound fitted to all three data sets")
    parser.add_argument("--predictor", default="nb101", help="checkpoint folder or name")
    parser.add_argument("--networks", type=int, default=1_000, help="of each family, for predictions")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.reference:
        found = Reference.of(read_samples("cifar10", count=500))
        _write("cifar10.json", found.to_json())
        return
    networks = {n.key: n for n in get_family("nb201").networks(find_data_root())}
    predictor = Predictor.load(arguments.predictor)
    predictions, keys = _predictions("nb201", predictor, arguments.networks)
    truth = np.asarray([networks[key].accuracy for key in keys])
    labels = {name: np.asarray([networks[key].metadata[name] for key in keys]) for name in SETS}
    exact = [Prediction(a, (a, a), 1.0, ()) for a in truth.tolist()]
    rows = []
    for source, known in (("measured", exact), ("predicted", predictions)):
        sets = _sets(truth, labels, [p.accuracy for p in known])
        asked = predictor if source == "predicted" else None
        rows += [
            _row(source, facts, _others(name, every), sets, known, labels[name], asked)
            for every in (True, False)
            for name, facts in SETS.items()
        ]
        rows.append(_row(source, CIFAR10, list(SETS), sets, known, truth, asked))
    if arguments.write:
        _write("transfer.json", Transfer.fit(list(sets.values()), CLASSES).to_json())
    family = {n.key: n.accuracy for n in get_family("ofa_mbv3").networks(find_data_root())}
    predictions, keys = _predictions("ofa_mbv3", predictor, arguments.networks)
    imagenet = np.asarray([family[key] for key in keys])
    rows.append(_row("predicted", IMAGENET, list(SETS), sets, predictions, imagenet, predictor))
    report("data_similarity", "The bound on data sets that it was not fitted to (nominal 90 %)", rows)


def _sets(truth: Array, labels: dict[str, Array], known: list[float]) -> dict[str, MeasuredSet]:
    return {
        name: MeasuredSet.of(truth, labels[name], known, classes=facts.classes, distance=facts.distance)
        for name, facts in SETS.items()
    }


def _others(name: str, all_of_them: bool) -> list[str]:
    """What the bound is fitted to when ``name`` is asked for: the others, or one of them."""
    others = [other for other in SETS if other != name]
    if all_of_them:
        return others
    return ["imagenet16_test_200" if name != "imagenet16_test_200" else "cifar100_test_200"]


def _row(
    source: str,
    facts: Facts,
    fitted: list[str],
    sets: dict[str, MeasuredSet],
    predictions: Sequence[Prediction],
    truth: Array,
    predictor: Predictor | None,
) -> dict[str, Any]:
    transfer = Transfer.fit([sets[name] for name in fitted], CLASSES)
    known = [p.accuracy for p in predictions]
    levels = [
        transfer.accuracy(p.accuracy, p.interval, facts.classes, facts.distance)[1] for p in predictions
    ]
    pairs = np.random.default_rng(0).permutation(len(truth))[: min(len(truth), 4_000)]
    partners = np.roll(pairs, 1)
    anchored, free, gains = [], [], []
    for i, j in zip(pairs.tolist(), partners.tolist(), strict=True):
        before, after = predictions[i], predictions[j]
        gain = after.accuracy - before.accuracy
        around = predictor.gain_interval(before, after) if predictor else (gain, gain)
        given = (before.accuracy, gain, around)
        anchored.append(transfer.gain(*given, float(truth[i]), facts.classes, facts.distance)[1])
        free.append(transfer.gain(*given, levels[i], facts.classes, facts.distance)[1])
        gains.append(truth[j] - truth[i])
    return {
        "from": source,
        "checked on": facts.title,
        "fitted to": ", ".join(SETS[name].title for name in fitted),
        "networks": len(truth),
        "octaves": facts.distance,
        "SRCC": spearman(np.asarray(known), truth),
        **_covered("accuracy", levels, truth),
        **_covered("gain, level known", anchored, np.asarray(gains)),
        **_covered("gain", free, np.asarray(gains)),
    }


def _covered(what: str, intervals: Sequence[tuple[float, float]], truth: Array) -> dict[str, float]:
    ends = np.asarray(intervals)
    inside = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    return {what: float(inside.mean()), f"{what}: width": float(np.median(ends[:, 1] - ends[:, 0]))}


def _predictions(family: str, predictor: Predictor, count: int) -> tuple[list[Prediction], tuple[str, ...]]:
    graphs = load_graphs(family, get_family(family).networks(find_data_root(), limit=count, seed=0))
    return predictor.predict_arrays(graphs.graphs), graphs.keys


def _write(name: str, content: dict[str, Any]) -> None:
    (PACKAGE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
