"""The data set that the predictor learned from, in figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_assistant.similarity._probe import probe_accuracy
from nas_assistant.similarity._sensitivity import to_sensitivity
from nas_assistant.similarity._statistics import DataStatistics, measure

if TYPE_CHECKING:
    from nas_assistant.sources import Samples

PER_CLASS = (5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class Reference:
    """Figures of the reference data set; no image of it is kept.

    Attributes:
        statistics: From 500 of its images.
        probes: Accuracy of the linear classifier by samples a class that it saw.
    """

    statistics: DataStatistics
    probes: dict[int, float]

    @classmethod
    def load(cls) -> Reference:
        """The shipped figures of CIFAR-10."""
        text = resources.files("nas_assistant.similarity").joinpath("cifar10.json").read_text("utf-8")
        data = json.loads(text)
        statistics = DataStatistics.from_json(data["statistics"])
        return cls(statistics, {int(count): accuracy for count, accuracy in data["probes"].items()})

    @classmethod
    def of(cls, samples: Samples, seed: int = 0) -> Reference:
        """Measure a data set; ``benchmarks/data_similarity.py --reference`` does for the shipped figures.

        Args:
            samples: At least 50 a class.
            seed: See :func:`measure`.
        """
        statistics = measure(samples, seed)
        sizes = {count: count * statistics.classes for count in PER_CLASS}
        images, labels = samples.images, samples.labels
        probes = {count: probe_accuracy(images[:size], labels[:size], seed) for count, size in sizes.items()}
        return cls(statistics, probes)

    def separation(self, per_class: float) -> float:
        """Sensitivity of the linear classifier that saw so many samples a class."""
        classes = self.statistics.classes
        known = [float(to_sensitivity(accuracy, classes)) for accuracy in self.probes.values()]
        return float(np.interp(np.log(per_class), np.log(list(self.probes)), known))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"statistics": self.statistics.to_json(), "probes": self.probes}
