"""Where a learning curve is heading (Domhan, Springenberg and Hutter 2015)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import approx_fprime, least_squares
from scipy.stats import norm

from nas_assistant.verify._curve_families import FAMILIES, Array

LEAST_EPOCHS = 4
_LEAST_DEVIATION = 0.005
_MOST_STEPS = 200
_MOST_LEVERAGE = 100.0
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """The accuracy that a curve is heading for.

    Attributes:
        mean: In [0, 1].
        deviation: One standard deviation: the noise of the curve and how far the families disagree.
        weights: Share of each family.
    """

    mean: float
    deviation: float
    weights: dict[str, float]

    @property
    def interval(self) -> tuple[float, float]:
        """Nine in ten lie in it, if the curve goes on as it went."""
        half = float(norm.ppf(0.95)) * self.deviation
        return max(0.0, self.mean - half), min(1.0, self.mean + half)

    def above(self, other: Extrapolation) -> float:
        """Probability that this curve ends above another."""
        spread = math.hypot(self.deviation, other.deviation)
        return float(norm.cdf((self.mean - other.mean) / spread))


def extrapolate(accuracies: Sequence[float], epochs: int) -> Extrapolation | None:
    """Extrapolate a learning curve.

    The families of Domhan et al. are fitted by least squares and weighted by their corrected Akaike
    information (the paper samples them by MCMC); a fit that falls, or ends below the last accuracy by more
    than the noise or above 1, has no say.

    Args:
        accuracies: After epochs 1, 2, ...
        epochs: Where to.

    Returns:
        The accuracy there; None for fewer than 4 epochs.
    """
    y = np.asarray(accuracies, dtype=np.float64)
    if len(y) < LEAST_EPOCHS:
        return None
    if epochs <= len(y):
        return Extrapolation(float(y[epochs - 1]), _LEAST_DEVIATION, {})
    x = np.arange(1, len(y) + 1, dtype=np.float64)
    fits = {f.__name__: fit for f, begin in FAMILIES.items() if (fit := _fit(f, begin, x, y, epochs))}
    if not fits:
        return Extrapolation(float(y[-1]), max(float(y.std()), _LEAST_DEVIATION), {})
    ends = np.array([fit[0] for fit in fits.values()])
    errors = np.array([fit[1] for fit in fits.values()])
    scores = np.array([fit[2] for fit in fits.values()])
    weights = np.exp(-0.5 * (scores - scores.min()))
    weights /= weights.sum()
    mean = float(weights @ ends)
    variance = float(weights @ ((ends - mean) ** 2 + errors**2))
    found = dict(zip(fits, map(float, weights), strict=True))
    return Extrapolation(min(1.0, mean), max(math.sqrt(variance), _LEAST_DEVIATION), found)


def _fit(
    family: Callable[..., Array], begin: tuple[float, ...], x: Array, y: Array, epochs: int
) -> tuple[float, float, float] | None:
    """End, its error and corrected Akaike information of one family, or None where it does not fit."""
    count, free = len(x), len(begin) + 1  # and the noise
    if count <= len(begin):
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = least_squares(
                lambda values: _finite(family(x, *values) - y), begin, max_nfev=_MOST_STEPS, x_scale="jac"
            )
            end = float(family(np.array([float(epochs)]), *found.x)[0])
        except (ValueError, OverflowError, np.linalg.LinAlgError):
            return None
        noise = math.sqrt(max(2 * float(found.cost) / max(1, count - len(begin)), 1e-8))
        error = noise * _widening(family, found, float(epochs))
    if not math.isfinite(end) or end > 1.0 + noise or end < y[-1] - 2 * noise - _LEAST_DEVIATION:
        return None
    correction = 2 * free * (free + 1) / max(0.5, count - free - 1)
    return end, error, count * math.log(max(2 * float(found.cost) / count, 1e-8)) + 2 * free + correction


def _widening(family: Callable[..., Array], found: Any, epochs: float) -> float:
    """How much less certain an end is than a point of the curve, by the delta method."""

    def end(values: Any) -> float:
        return float(_finite(family(np.array([epochs]), *values))[0])

    slope = approx_fprime(found.x, end)
    leverage = float(slope @ np.linalg.pinv(found.jac.T @ found.jac, rcond=1e-8) @ slope)
    return math.sqrt(1 + min(max(leverage, 0.0), _MOST_LEVERAGE))


def _finite(residuals: Any) -> Any:
    return np.nan_to_num(residuals, nan=10.0, posinf=10.0, neginf=-10.0)


def sparkline(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """A curve in one line of text.

    Args:
        values: The curve.
        low: What the lowest bar stands for; the least of the values by default.
        high: What the highest bar stands for, likewise.
    """
    if not values:
        return ""
    low = min(values) if low is None else low
    high = max(values) if high is None else high
    steps = len(_SPARKS) - 1
    return "".join(
        _SPARKS[min(steps, max(0, round((value - low) / ((high - low) or 1.0) * steps)))] for value in values
    )
