"""GraSP."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Grasp(BaseProxy):
    """How the flow of gradients changes when weights go (Wang et al. 2020, "GraSP").

    ``-sum W * (H g)`` with g the gradient of the cross-entropy and H its Hessian, with the sign of
    Abdelfattah et al. 2021.
    """

    name: ClassVar[str] = "grasp"
    title: ClassVar[str] = "GraSP, preserved gradient flow"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """Sum over all weights."""
        pairs = zip(probe.weights(), probe.hessian_gradients(), strict=True)
        return -float(sum((weight * h).sum(dtype=np.float64) for weight, h in pairs if h is not None))
