"""Floating-point operations."""

from __future__ import annotations

import math
from typing import ClassVar

from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation
from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe

_POOLS = (Operation.AVG_POOL, Operation.MAX_POOL)


class Flops(BaseProxy):
    """Twice the multiply-accumulates of one sample, those of norms, activations and pools included.

    Needs no data. The other baseline of Ning et al. 2021, "Evaluating Efficient Performance Estimators of
    Neural Architectures". A layer with weights counts its multiply-accumulates; a normalisation two for each
    value of its output, an activation one, a pool one for each value that it reads. So count the published
    values of NAS-Bench-Suite-Zero (Krishnakumar et al. 2022), in which a pool costs more than the identity;
    :attr:`~nas_assistant.graphs.ComputationalGraph.flops` counts the layers with weights alone.
    """

    name: ClassVar[str] = "flops"
    title: ClassVar[str] = "FLOPs, those of norms, activations and pools included"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> float:
        """Count."""
        return 2.0 * sum(map(_work, probe.graph))


def _work(node: Node) -> int:
    """Multiply-accumulates of a node, for one sample."""
    values = math.prod(node.output_shape)
    if node.op in NORMALISATIONS:
        return 2 * values
    if node.op in ACTIVATIONS:
        return values
    if node.op in _POOLS:
        return values * math.prod(node.kernel or (1, 1))
    if node.op is Operation.GLOBAL_AVG_POOL:
        return math.prod(node.input_shape)
    return node.macs
