"""ZiCo."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy, FaultKind, ProxyError
from nas_assistant.proxies._probe import BaseProbe


class Zico(BaseProxy):
    """Mean over deviation of the gradients (Li et al. 2023, "ZiCo", ICLR).

    ``sum_l log sum_w E|g_w| / std g_w`` over the two halves of the minibatch; weights whose gradient does
    not vary are left out.
    """

    name: ClassVar[str] = "zico"
    title: ClassVar[str] = "ZiCo, inverse variation of gradients"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """Sum over the weight tensors."""
        assert probe.labels is not None
        half = len(probe.labels) // 2
        if half == 0:
            raise ProxyError(FaultKind.UNSUPPORTED, "the minibatch has no two halves")
        first, second = probe.part_gradients([slice(0, half), slice(half, 2 * half)])
        score = 0.0
        for a, b in zip(first, second, strict=True):
            if a is None or b is None:
                continue
            deviation = np.abs(a - b) / 2
            varies = deviation > 0
            ratio = float(((np.abs(a) + np.abs(b)) / 2)[varies].astype(np.float64) @ (1 / deviation[varies]))
            score += math.log(ratio) if ratio > 0 else 0.0
        return score
