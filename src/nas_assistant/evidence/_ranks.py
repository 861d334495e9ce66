"""Scores of different units, joined by their ranks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def normal_scores(values: npt.ArrayLike) -> Array:
    """Quantiles of the normal distribution at the ranks of values, ``(networks,)``.

    Blom's formula ``(rank - 3/8) / (n + 1/4)`` (Blom 1958, "Statistical Estimates and Transformed
    Beta-Variables"); equal values share their mean rank, minus infinity is a fault and ranks last.

    Args:
        values: Higher is better.
    """
    from scipy.special import ndtri  # slow imports that only ranking needs
    from scipy.stats import rankdata

    given = np.asarray(values, dtype=np.float64)
    ranks = rankdata(np.nan_to_num(given, nan=-np.inf, posinf=np.inf, neginf=-np.inf))
    return np.asarray(ndtri((ranks - 0.375) / (len(given) + 0.25)))


def aggregate_ranks(evidence: Iterable[npt.ArrayLike]) -> Array:
    """Mean of the normal scores of each kind of evidence, all counting alike, ``(networks,)``.

    Args:
        evidence: At least one array ``(networks,)``, higher is better.
    """
    return np.asarray(np.mean([normal_scores(values) for values in evidence], axis=0))
