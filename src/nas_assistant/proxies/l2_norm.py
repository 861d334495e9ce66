"""Norm of the weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class L2Norm(BaseProxy):
    """Sum over the weight tensors of their Euclidean norms (Abdelfattah et al. 2021, "Zero-Cost Proxies").

    ``sum_l |W_l|_2``. Needs no data.
    """

    name: ClassVar[str] = "l2_norm"
    title: ClassVar[str] = "norm of the weights"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """Sum the norms."""
        return float(sum(np.linalg.norm(weight) for weight in probe.weights()))
