"""Floating-point operations."""

from __future__ import annotations

from typing import ClassVar

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Flops(BaseProxy):
    """Floating-point operations of one sample, two a multiply-accumulate.

    Needs no data. The other baseline of Ning et al. 2021, "Evaluating Efficient Performance Estimators of
    Neural Architectures".
    """

    name: ClassVar[str] = "flops"
    title: ClassVar[str] = "floating-point operations"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """Count."""
        return float(probe.graph.flops)
