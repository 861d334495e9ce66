"""How far predictions were off, and how far the experts are to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_assistant.predictors._target import TARGET_RANGE

Array = npt.NDArray[np.float64]

COVERAGE = 0.9
_UNFAMILIAR, _FAMILIAR = 0.05, 0.25
"""Familiarities up to which a network counts as of another family, and from which as of a known one."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Half-widths of 90 % intervals on the scale of :func:`to_target`, and the experts' share.

    Attributes:
        accuracy: Of the interval of a prediction.
        gain: Of the difference of two predictions.
        share: Weight of the experts against the structure.
    """

    accuracy: float
    gain: float
    share: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Split-conformal half-widths (Lei et al. 2018, "Distribution-Free Predictive Inference", section 2.2).

    Attributes:
        familiar: Of networks of a trained family, measured on those held out.
        unfamiliar: Of networks of other families, measured on families left out.
        quantiles: ``log p(x)`` of the training networks at 101 evenly spaced quantiles.
    """

    familiar: Widths
    unfamiliar: Widths
    quantiles: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """Inverse of :meth:`to_json`."""
        return cls(Widths(**data["familiar"]), Widths(**data["unfamiliar"]), tuple(data["quantiles"]))

    def percentile(self, log_likelihoods: npt.ArrayLike) -> Array:
        """Percentiles of log-likelihoods among the training networks, in [0, 1]."""
        grid = np.linspace(0.0, 1.0, len(self.quantiles))
        return np.asarray(np.interp(np.asarray(log_likelihoods), self.quantiles, grid))

    def widths(self, familiarity: float) -> Widths:
        """What holds at a familiarity: between the two on a ramp."""
        trust = min(max((familiarity - _UNFAMILIAR) / (_FAMILIAR - _UNFAMILIAR), 0.0), 1.0)
        near, far = self.familiar, self.unfamiliar
        return Widths(
            far.accuracy + trust * (near.accuracy - far.accuracy),
            far.gain + trust * (near.gain - far.gain),
            far.share + trust * (near.share - far.share),
        )


def conformal_half_width(residuals: Sequence[Array], coverage: float = COVERAGE) -> float:
    """Half-width that covers a new residual with the given probability.

    Without any residual nothing is known, and it is that of the whole scale. Of so few that none lies beyond
    the probability, as fewer than nine for 90 %, it is the largest.

    Args:
        residuals: Prediction less truth on held-out networks, of one or more families that count alike.
        coverage: The probability.
    """
    kept = [np.abs(r) for r in residuals if len(r)]
    if not kept:
        return TARGET_RANGE
    values = np.concatenate(kept)
    weights = np.concatenate([np.full(len(r), 1.0 / (len(kept) * (len(r) + 1.0))) for r in kept])
    order = np.argsort(values)
    reached = int(np.searchsorted(np.cumsum(weights[order]), coverage - 1e-12))
    return float(values[order[min(reached, len(values) - 1)]])


def pair_residuals(residuals: Array, seed: int) -> Array:
    """Errors of differences: of each network and another one of the same family, drawn at random.

    Each is the first of one pair and the second of another; a network alone has none.
    """
    if len(residuals) < 2:
        return residuals[:0]
    drawn = residuals[np.random.default_rng(seed).permutation(len(residuals))]
    return drawn - np.roll(drawn, 1)
