"""Fisher information of the channels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Fisher(BaseProxy):
    """Change of the loss if a channel went (Theis et al. 2018, "Faster Gaze Prediction"; Turner et al. 2020).

    ``sum_c w_c / 2 * mean_n (sum_xy a_nc * dL/da_nc)^2`` over the channels c of the outputs a of all
    convolutions and dense layers; w_c is the number of weights of a channel, since Abdelfattah et al. 2021
    sum over weights.
    """

    name: ClassVar[str] = "fisher"
    title: ClassVar[str] = "Fisher information of the channels"
    needs_labels: ClassVar[bool] = True

    def compute(self, probe: BaseProbe) -> float:
        """Sum over the channels of all layers."""
        terms = (
            layer.weights * np.square(layer.values, dtype=np.float64).mean(axis=0).sum()
            for layer in probe.saliencies()
        )
        return 0.5 * float(sum(terms))
