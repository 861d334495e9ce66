"""Zen-score."""

from __future__ import annotations

import math
from typing import ClassVar

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe

_SIZE = 0.01
_KEPT = 0.9**2  # of a running variance of 1, after two passes


class Zen(BaseProxy):
    """Sensitivity to the input of the network with Gaussian weights (Lin et al. 2021, "Zen-NAS").

    ``log E|f(x) - f(x + 0.01 e)|_1 + sum_l log s_l`` with f the last feature map before the places are
    pooled, x and e Gaussian, and ``s_l^2`` the mean variance over the channels of normalisation l, which
    undoes the scaling. As in the published code ``s_l^2`` is what a running variance is after the two
    passes: .81 + .19 of the variance. Needs no data.
    """

    name: ClassVar[str] = "zen"
    title: ClassVar[str] = "Zen-score, Gaussian complexity"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """From two passes."""
        found = probe.perturbation(_SIZE)
        if not found.change > 0:
            return -math.inf if found.change == 0 else math.nan
        scales = (_KEPT + (1 - _KEPT) * variance for variance in found.variances)
        return math.log(found.change) + sum(0.5 * math.log(scale) for scale in scales)
