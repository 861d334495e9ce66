"""The scale that the regressor works on."""

from __future__ import annotations

import math

import torch

# About the mean and the standard deviation of -log(1 - accuracy) over the benchmarks' networks.
_CENTRE = 2.4
TARGET_SPREAD = 0.3
_LEAST_ERROR = 1e-4
TARGET_RANGE = -math.log(_LEAST_ERROR) / TARGET_SPREAD
"""From the target of an accuracy of 0 to that of 1."""


def to_target(accuracy: torch.Tensor) -> torch.Tensor:
    """``-log(error)``, standardised: as many numbers between 90 % and 95 % as between 80 % and 90 %."""
    return (-torch.log((1.0 - accuracy).clamp_min(_LEAST_ERROR)) - _CENTRE) / TARGET_SPREAD


def from_target(target: torch.Tensor) -> torch.Tensor:
    """Inverse of :func:`to_target`, in [0, 1]."""
    return (1.0 - torch.exp(-(target * TARGET_SPREAD + _CENTRE))).clamp(0.0, 1.0)
