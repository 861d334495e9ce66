"""Synaptic flow."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class SynFlow(BaseProxy):
    """Logarithm of the synaptic flow (Tanaka et al. 2020, "Pruning neural networks without any data").

    ``log sum |W * dR/dW|`` with R the sum of the logits of the network with absolute weights and without
    normalisations on an input of ones, in float64. Needs no data. A network that lets nothing through has a
    flow of 0, whose logarithm is a fault.
    """

    name: ClassVar[str] = "synflow"
    title: ClassVar[str] = "SynFlow, synaptic flow"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """Sum over all weights, as a logarithm."""
        flow = float(sum(np.abs(flow).sum() for flow in probe.flows()))
        return math.log(flow) if flow > 0 else -math.inf
