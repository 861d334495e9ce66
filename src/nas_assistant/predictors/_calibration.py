"""Intervals: how far predictions were off on networks that no training saw."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

COVERAGE = 0.9


@dataclass(frozen=True)
class Calibration:
    """Split-conformal half-widths (Lei et al. 2018, "Distribution-Free Predictive Inference", section 2.2).

    Attributes:
        accuracy: Half-width of the interval of an accuracy, for a familiar network.
        gain: Half-width of the interval of the difference of two accuracies.
        unfamiliar: Half-width for a network of a family that was not trained on.
        quantiles: ``log p(x)`` of the training networks at 101 evenly spaced quantiles.
    """

    accuracy: float
    gain: float
    unfamiliar: float
    quantiles: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """Inverse of :meth:`to_json`."""
        return cls(data["accuracy"], data["gain"], data["unfamiliar"], tuple(data["quantiles"]))

    def familiarity(self, log_likelihoods: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Percentiles of log-likelihoods among the training networks, in [0, 1]."""
        grid = np.linspace(0.0, 1.0, len(self.quantiles))
        return np.asarray(np.interp(np.asarray(log_likelihoods), self.quantiles, grid))

    def half_width(self, familiarity: float) -> float:
        """Half-width at a familiarity: of unseen families up to 0.25, of the trained one from 0.5 on."""
        trust = min(max((familiarity - 0.25) / 0.25, 0.0), 1.0)
        return self.unfamiliar + trust * (self.accuracy - self.unfamiliar)


def conformal_half_width(residuals: npt.NDArray[np.float64], coverage: float = COVERAGE) -> float:
    """Half-width that covers a new residual with the given probability.

    Args:
        residuals: Prediction less truth on held-out networks.
        coverage: The probability.
    """
    count = len(residuals)
    level = min(np.ceil((count + 1) * coverage) / count, 1.0)
    return float(np.quantile(np.abs(residuals), level, method="higher"))


def gain_half_width(predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float64], seed: int) -> float:
    """Conformal half-width of a difference, over random pairs of held-out networks."""
    order = np.random.default_rng(seed).permutation(len(predicted))
    residuals = predicted - true
    return conformal_half_width(residuals - residuals[order])
