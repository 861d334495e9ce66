"""From a CIFAR-10 prediction to the user's data, with a bound on the error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_assistant.similarity._sensitivity import CHANCE, HIGHEST, LOWEST, from_sensitivity, to_sensitivity

Array = npt.NDArray[np.float64]
COVERAGE = 0.9
_PLAUSIBLE = 0.5
"""Networks below this accuracy on the reference tell nothing of those that a user has."""

_GRID = 101


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """The same networks, measured on the reference data set and on another.

    Attributes:
        classes: Of the other data set.
        distance: From the reference, in octaves.
        reference: ``(networks,)``, sensitivities on the reference.
        target: ``(networks,)``, sensitivities on the other.
        predicted: ``(networks,)``, sensitivities that were predicted for the reference.
    """

    classes: int
    distance: float
    reference: Array
    target: Array
    predicted: Array

    @classmethod
    def of(
        cls,
        reference: npt.ArrayLike,
        target: npt.ArrayLike,
        predicted: npt.ArrayLike,
        *,
        classes: int,
        distance: float,
        reference_classes: int = 10,
    ) -> MeasuredSet:
        """From accuracies, of networks that learned something.

        Args:
            reference: Measured on the reference.
            target: Measured on the other data set.
            predicted: Predicted for the reference, or the measured ones again.
            classes: Of the other data set.
            distance: From the reference, in octaves.
            reference_classes: Classes of the reference.
        """
        known = np.asarray(reference, dtype=np.float64)
        kept = known > _PLAUSIBLE
        guessed, other = (np.asarray(values, dtype=np.float64)[kept] for values in (predicted, target))
        return cls(
            classes,
            distance,
            to_sensitivity(known[kept], reference_classes),
            to_sensitivity(other, classes),
            to_sensitivity(guessed, reference_classes),
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """How sensitivities go from the reference data set to another one.

    On another data set with the same networks, sensitivities are those of the reference plus a shift that the
    data set has of its own, and differences between networks are ``slope`` times as large. (That accuracies
    on two data sets lie on a line on such a scale: Miller et al. 2021, "Accuracy on the Line", section 3.)
    Neither is known beforehand, so each is bounded by what it was on the data sets that were measured: the
    half-width is Student's t with as many degrees of freedom as there are such data sets, times its root mean
    square over them. Few data sets make it wide. What networks and pairs of networks deviate from this is
    measured from predictions, since those are what it starts from.

    Attributes:
        slope: Of differences.
        shift: Root mean square shift for every octave of distance.
        scatter: Deviation of networks from the shift of their data set, as a standard deviation.
        pair_scatter: The same of differences of two networks from ``slope`` times those on the reference.
        sets: Data sets that were measured.
        reference_classes: Classes of the reference.
    """

    slope: float
    shift: float
    scatter: float
    pair_scatter: float
    sets: int
    reference_classes: int = 10

    @classmethod
    def load(cls) -> Transfer:
        """What was fitted to the networks of NAS-Bench-201."""
        text = resources.files("nas_assistant.similarity").joinpath("transfer.json").read_text("utf-8")
        return cls(**json.loads(text))

    @classmethod
    def fit(cls, sets: Sequence[MeasuredSet], reference_classes: int = 10, seed: int = 0) -> Transfer:
        """Learn from data sets on which the same networks were measured.

        Args:
            sets: At least one.
            reference_classes: Classes of the reference.
            seed: Of the pairs of networks.
        """
        rng = np.random.default_rng(seed)
        shifts = [float(np.median(one.target - one.reference)) for one in sets]
        differences = [_differences(one, rng.permutation(len(one.reference))) for one in sets]
        slope = float(np.mean([(x @ y) / (x @ x) for x, y, _ in differences]))
        return cls(
            slope,
            _rms([shift / one.distance for shift, one in zip(shifts, sets, strict=True)]),
            _rms(
                [_scale(one.target - one.predicted - shift) for shift, one in zip(shifts, sets, strict=True)]
            ),
            _rms([_scale(y - slope * guess) for _, y, guess in differences]),
            len(sets),
            reference_classes,
        )

    def accuracy(
        self, accuracy: float, interval: tuple[float, float], classes: int, distance: float
    ) -> tuple[float, tuple[float, float]]:
        """Accuracy on another data set and where nine in ten lie.

        Args:
            accuracy: On the reference.
            interval: Of the accuracy on the reference, as wide as its own uncertainty.
            classes: Of the other data set.
            distance: From the reference, in octaves.
        """
        low, middle, high = to_sensitivity([interval[0], accuracy, interval[1]], self.reference_classes)
        half = self._quantile * np.hypot(self.shift * distance, self.scatter * min(1.0, distance))
        ends = [middle - np.hypot(middle - low, half), middle, middle + np.hypot(high - middle, half)]
        found = from_sensitivity(np.clip(ends, CHANCE, HIGHEST), classes).tolist()
        return found[1], (found[0], min(found[2], 1.0))

    def gain(
        self,
        before: float,
        gain: float,
        interval: tuple[float, float],
        level: float | tuple[float, float],
        classes: int,
        distance: float,
    ) -> tuple[float, tuple[float, float]]:
        """Gain in accuracy on another data set, at the level to be expected there, and where nine in ten lie.

        Args:
            before: Accuracy on the reference of the network to start from.
            gain: Its gain on the reference.
            interval: Of that gain.
            level: Accuracy on the other data set of the network to start from, where it was measured, or
                else between which it lies.
            classes: Of the other data set.
            distance: From the reference, in octaves.
        """
        on_reference = before + np.asarray([0.0, interval[0], gain, interval[1]])
        start, low, middle, high = to_sensitivity(np.clip(on_reference, 0.0, 1.0), self.reference_classes)
        half = self._quantile * self.pair_scatter * min(1.0, distance)
        slope = 1.0 + (self.slope - 1.0) * min(1.0, distance)
        low, middle, high = (slope * (end - start) for end in (low, middle, high))
        low, high = middle - np.hypot(middle - low, half), middle + np.hypot(high - middle, half)
        ends = np.atleast_1d(np.asarray(level, dtype=np.float64))
        first, last = to_sensitivity([ends.min(), ends.max()], classes)
        starts = np.linspace(first, last, _GRID if last > first else 1)
        expected = _gains(np.clip(start, first, last), middle, classes)
        lows, highs = _gains(starts, low, classes), _gains(starts, high, classes)
        return float(expected), (float(lows.min()), float(highs.max()))

    @property
    def _quantile(self) -> float:
        from scipy.stats import t

        return float(t.ppf(0.5 + COVERAGE / 2, self.sets))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)


def _differences(one: MeasuredSet, order: npt.NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Between each network and another: on the reference, on the other data set, and as predicted."""
    reference, target, predicted = (
        values - values[order] for values in (one.reference, one.target, one.predicted)
    )
    return reference, target, predicted


def _gains(starts: npt.ArrayLike, step: float, classes: int) -> Array:
    ends = np.clip(np.asarray(starts) + step, LOWEST, HIGHEST)
    return from_sensitivity(ends, classes) - from_sensitivity(starts, classes)


def _scale(deviations: Array) -> float:
    """The standard deviation of the normal distribution with the same interval of :data:`COVERAGE`.

    A few networks that are predicted far off would count for too much in a mean square.
    """
    from scipy.stats import norm

    return float(np.quantile(np.abs(deviations), COVERAGE) / norm.ppf(0.5 + COVERAGE / 2))


def _rms(values: npt.ArrayLike) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, dtype=np.float64)))))
