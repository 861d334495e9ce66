"""Accuracies of data sets with different numbers of classes on one scale."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LOWEST, CHANCE, HIGHEST = -1.0, 0.0, 9.0
"""The scale: far below chance, chance, and less than one error in a million of ten classes."""

_STEPS, _REACH = 1_001, 12.0


def to_sensitivity(accuracy: npt.ArrayLike, classes: int) -> Array:
    """The sensitivity d' that has this accuracy in a choice among ``classes``.

    A network that gives the right class a score of mean d' and every wrong one a score of mean 0, all with
    variance 1 and independent, is right with probability ``integral phi(x - d') Phi(x)^(classes - 1) dx``:
    the m-alternative forced choice of signal detection (Green and Swets 1966, "Signal Detection Theory and
    Psychophysics", section 2.7). So d' takes out what more classes alone cost; chance is 0.

    Args:
        accuracy: Fractions right.
        classes: At least 2.
    """
    grid, accuracies = _table(classes)
    return np.asarray(np.interp(np.asarray(accuracy, dtype=np.float64), accuracies, grid))


def from_sensitivity(sensitivity: npt.ArrayLike, classes: int) -> Array:
    """The accuracy at a sensitivity; the inverse of :func:`to_sensitivity`."""
    grid, accuracies = _table(classes)
    return np.asarray(np.interp(np.asarray(sensitivity, dtype=np.float64), grid, accuracies))


@functools.cache
def _table(classes: int) -> tuple[Array, Array]:
    from scipy.special import log_ndtr

    if classes < 2:
        raise ValueError(f"a choice among {classes} classes is none")
    grid = np.linspace(LOWEST, HIGHEST, _STEPS)
    score = np.linspace(LOWEST - _REACH, HIGHEST + _REACH, 4 * _STEPS)
    right = np.exp((classes - 1) * log_ndtr(score))
    density = np.exp(-0.5 * (score[None] - grid[:, None]) ** 2) / np.sqrt(2 * np.pi)
    return grid, np.asarray(density @ right * (score[1] - score[0]))
