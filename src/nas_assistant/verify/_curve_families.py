"""The parametric families of learning curves of Domhan, Springenberg and Hutter 2015, Table 1.

Each gives the accuracy after ``x`` epochs, with where a fit of its parameters begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def vapor_pressure(x: Array, a: float, b: float, c: float) -> Array:
    """``exp(a + b / x + c log x)``."""
    return np.asarray(np.exp(a + b / x + c * np.log(x)))


def pow3(x: Array, c: float, a: float, alpha: float) -> Array:
    """``c - a x^-alpha``."""
    return np.asarray(c - a * x**-alpha)


def log_log_linear(x: Array, a: float, b: float) -> Array:
    """``log(a log x + b)``."""
    return np.asarray(np.log(np.maximum(a * np.log(x) + b, 1e-9)))


def hill3(x: Array, top: float, eta: float, kappa: float) -> Array:
    """``top x^eta / (kappa^eta + x^eta)``."""
    return np.asarray(top * x**eta / (np.abs(kappa) ** eta + x**eta))


def log_power(x: Array, a: float, b: float, c: float) -> Array:
    """``a / (1 + (x / e^b)^c)``."""
    return np.asarray(a / (1 + (x / np.exp(b)) ** c))


def pow4(x: Array, c: float, a: float, b: float, alpha: float) -> Array:
    """``c - (a x + b)^-alpha``."""
    return np.asarray(c - np.maximum(a * x + b, 1e-9) ** -alpha)


def mmf(x: Array, alpha: float, beta: float, delta: float, kappa: float) -> Array:
    """``alpha - (alpha - beta) / (1 + (kappa x)^delta)`` (Morgan, Mercer, Flodin)."""
    return np.asarray(alpha - (alpha - beta) / (1 + (np.abs(kappa) * x) ** delta))


def exp4(x: Array, c: float, a: float, b: float, alpha: float) -> Array:
    """``c - exp(-a x^alpha + b)``."""
    return np.asarray(c - np.exp(-a * x**alpha + b))


def janoschek(x: Array, alpha: float, beta: float, kappa: float, delta: float) -> Array:
    """``alpha - (alpha - beta) exp(-kappa x^delta)``."""
    return np.asarray(alpha - (alpha - beta) * np.exp(-kappa * x**delta))


def weibull(x: Array, alpha: float, beta: float, kappa: float, delta: float) -> Array:
    """``alpha - (alpha - beta) exp(-(kappa x)^delta)``."""
    return np.asarray(alpha - (alpha - beta) * np.exp(-((np.abs(kappa) * x) ** delta)))


def ilog2(x: Array, c: float, a: float) -> Array:
    """``c - a / log(x + 1)``, by one epoch later than printed, which has none at the first."""
    return np.asarray(c - a / np.log(x + 1))


FAMILIES: dict[Callable[..., Array], tuple[float, ...]] = {
    vapor_pressure: (-0.6, -0.6, 0.1),
    pow3: (0.8, 0.5, 0.5),
    log_log_linear: (0.4, 1.5),
    hill3: (0.8, 0.6, 0.5),
    log_power: (0.8, 1.0, -0.5),
    pow4: (0.8, 2.0, 1.0, 0.5),
    mmf: (0.8, 0.2, 0.7, 0.5),
    exp4: (0.8, 0.8, -0.3, 0.5),
    janoschek: (0.8, 0.2, 0.5, 0.7),
    weibull: (0.8, 0.2, 0.5, 0.7),
    ilog2: (0.8, 0.4),
}
