"""SNIP."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Snip(BaseProxy):
    """How much the loss depends on each weight being there (Lee et al. 2019, "SNIP").

    ``sum |dL/dW * W|``, which is the gradient by a mask of ones on the weights, as Abdelfattah et al. 2021
    sum it over the network.
    """

    name: ClassVar[str] = "snip"
    title: ClassVar[str] = "SNIP, connection sensitivity"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """Sum the sensitivities."""
        pairs = zip(probe.weights(), probe.gradients(), strict=True)
        return float(sum(np.abs(weight * g).sum(dtype=np.float64) for weight, g in pairs if g is not None))
