"""Zen-score."""

from __future__ import annotations

import math
from typing import ClassVar

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe

_SIZE = 0.01


class Zen(BaseProxy):
    """Sensitivity to the input of the network with Gaussian weights (Lin et al. 2021, "Zen-NAS").

    ``log E|f(x) - f(x + 0.01 e)|_1 + sum_l log s_l`` with f the last feature map before the places are pooled, x and e
    Gaussian, and ``s_l^2`` the mean variance over the channels of normalisation l, which undoes the scaling. As in
    the published code the variance is the running one after the two passes. Needs no data.
    """

    name: ClassVar[str] = "zen"
    title: ClassVar[str] = "Zen-score, Gaussian complexity"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """From two passes."""
        found = probe.perturbation(_SIZE)
        if found.change <= 0 or min(found.variances, default=1.0) <= 0:
            return -math.inf
        return math.log(found.change) + sum(0.5 * math.log(v) for v in found.variances)
