"""Parameters."""

from __future__ import annotations

from typing import ClassVar

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Params(BaseProxy):
    """The number of parameters, frozen ones and those on dead branches included.

    Needs no data. The baseline that every other proxy has to beat (Ning et al. 2021, "Evaluating Efficient
    Performance Estimators of Neural Architectures").
    """

    name: ClassVar[str] = "params"
    title: ClassVar[str] = "parameters"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """Count."""
        return float(probe.graph.parameters)
