"""How near one data set is to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_assistant.similarity._reference import Reference
from nas_assistant.similarity._sensitivity import to_sensitivity
from nas_assistant.similarity._statistics import DataStatistics

CHECKED = ("images a class", "resolution")
"""Parts of a distance that the error bound was fitted and checked with. The others can only widen it."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """How near a data set is to the one that the predictor learned from.

    Attributes:
        parts: Differences by name, each counted in octaves: 1 is a factor of two, or what is taken for as
            much.
        agreement: Mean rank correlation of the scores of small untrained networks on both.
    """

    parts: dict[str, float]
    agreement: float

    @property
    def distance(self) -> float:
        """Sum of the differences, in octaves."""
        return sum(self.parts.values())

    @property
    def score(self) -> float:
        """From 1 for the same data towards 0; half for every octave."""
        return float(2.0**-self.distance)


def described_distance(
    per_class: float, resolution: float, other_per_class: float, other_resolution: float
) -> dict[str, float]:
    """The parts of a distance that are facts about a data set, known without its images.

    Args:
        per_class: Training images a class.
        resolution: Side of an image in pixels.
        other_per_class: The same of the other data set.
        other_resolution: Likewise.
    """
    octaves = (_octaves(per_class, other_per_class), _octaves(resolution, other_resolution))
    return dict(zip(CHECKED, octaves, strict=True))


def compare(statistics: DataStatistics, reference: Reference) -> Similarity:
    """How near a data set is to the reference.

    Classes are not counted: :func:`to_sensitivity` has them.

    Args:
        statistics: Of the user's data.
        reference: Of the predictor's.
    """
    known = reference.statistics
    separation = to_sensitivity(statistics.probe, statistics.classes)
    agreement = float(
        np.mean([_rank_correlation(scores, known.ranks[name]) for name, scores in statistics.ranks.items()])
    )
    parts = described_distance(
        statistics.per_class_images, statistics.resolution, known.per_class_images, known.resolution
    )
    parts |= {
        "balance": max(0.0, float(np.log2(statistics.classes)) - statistics.entropy),
        "channels": _octaves(statistics.channels, known.channels),
        "contrast": _contrast(statistics.spreads, known.spreads),
        "spectrum": abs(statistics.spectrum - known.spectrum),
        "separability": abs(float(separation) - reference.separation(statistics.per_class)),
        "ranks": 1.0 - agreement,
    }
    return Similarity({name: round(value, 4) for name, value in parts.items()}, agreement)


def _octaves(one: float, other: float) -> float:
    return abs(float(np.log2(one / other)))


def _contrast(one: Sequence[float], other: Sequence[float]) -> float:
    if not one or not np.mean(one) > 0:
        return 0.0
    return _octaves(float(np.mean(one)), float(np.mean(other)))


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    from scipy.stats import rankdata

    ranks = np.corrcoef(rankdata(one), rankdata(other))[0, 1]
    return float(ranks) if np.isfinite(ranks) else 0.0
