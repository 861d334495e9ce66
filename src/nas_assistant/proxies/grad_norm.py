"""Norm of the gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class GradNorm(BaseProxy):
    """Sum over the weight tensors of the norms of their gradients (Abdelfattah et al. 2021, section 3.2).

    ``sum_l |dL/dW_l|_2`` with L the cross-entropy of the minibatch.
    """

    name: ClassVar[str] = "grad_norm"
    title: ClassVar[str] = "norm of the gradients"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """Sum the norms."""
        return float(sum(np.linalg.norm(g) for g in probe.gradients() if g is not None))
