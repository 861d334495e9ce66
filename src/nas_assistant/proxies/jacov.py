"""Correlation of the input Jacobians."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe

_SHIFT = 1e-5


class Jacov(BaseProxy):
    """How differently the network answers around different samples (Mellor et al. 2020, first version).

    ``-sum_i log(v_i + k) + 1 / (v_i + k)`` over the eigenvalues v of the correlation matrix of the samples'
    gradients of the summed logits by the input; k = 1e-5.
    """

    name: ClassVar[str] = "jacov"
    title: ClassVar[str] = "correlation of the input Jacobians"

    def compute(self, probe: BaseProbe) -> float:
        """From the eigenvalues."""
        with np.errstate(invalid="ignore", divide="ignore"):  # told as a fault
            correlation = np.corrcoef(probe.input_gradients())
        if not np.isfinite(correlation).all():
            return float("nan")
        values = np.linalg.eigvalsh(correlation) + _SHIFT
        return -float(np.sum(np.log(values) + 1.0 / values))
