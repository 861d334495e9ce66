"""AZ-NAS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from nas_assistant.proxies._base import BaseProxy, Score
from nas_assistant.proxies._probe import Array, BaseProbe

_PARTS = ("expressivity", "progressivity", "trainability", "complexity")


class AzNas(BaseProxy):
    """Four views of the blocks of a network, joined by ranks (Lee and Ham 2024, "AZ-NAS", CVPR).

    Expressivity is the sum over the blocks of the entropy of the spectrum of their features' covariance,
    progressivity its smallest increase from a block to the next, trainability the mean over the blocks of
    ``2 - s - 1 / s`` with s the largest singular value of the mean Jacobian, complexity the FLOPs. The score
    is ``sum over the four of log(rank / networks)``, so it compares networks: of one alone only the parts
    are told. Weights are drawn from N(0, 2 / fan-in), the input is Gaussian, as in the published code. Needs
    no data.
    """

    name: ClassVar[str] = "az_nas"
    title: ClassVar[str] = "AZ-NAS, ranks of four views"
    needs_data: ClassVar[bool] = False

    def compute(self, probe: BaseProbe) -> Mapping[str, float]:
        """The four parts."""
        blocks = probe.blocks()
        if len(blocks) < 2:
            raise probe.unsupported("fewer than two blocks were found")
        entropies = np.asarray([_entropy(block.features) for block in blocks])
        gains = [-math.inf if b.identity else _closeness(b.gain) for b in blocks[1:] if b.gain is not None]
        return {
            "expressivity": float(entropies.sum()),
            "progressivity": float(np.diff(entropies).min()),
            "trainability": float(np.mean(gains)) if gains else -math.inf,
            "complexity": float(probe.graph.flops),
        }

    def combine(self, scores: Sequence[Score]) -> list[float]:
        """Sum of the logarithms of the relative ranks, the best having rank ``networks``.

        Minus infinity where there are no parts.
        """
        total = np.zeros(len(scores))
        for part in _PARTS:
            values = [score.parts.get(part, -math.inf) for score in scores]
            total += np.log(rankdata(np.nan_to_num(values, nan=-math.inf)) / len(scores))
        return [
            float(value) if score.parts else -math.inf for value, score in zip(total, scores, strict=True)
        ]


def _entropy(features: Array) -> float:
    """Entropy of the spectrum of the covariance of ``(positions, channels)``."""
    centred = features - features.mean(axis=0, keepdims=True)
    spectrum = np.linalg.eigvalsh(centred.T @ centred / len(centred)).clip(min=0)
    total = spectrum.sum()
    if not total > 0:
        return float("nan") if np.isnan(total) else 0.0
    shares = spectrum / total
    return -float((shares * np.log(shares + 1e-8)).sum())


def _closeness(gain: float | None) -> float:
    assert gain is not None
    return 2.0 - gain - 1.0 / (gain + 1e-6)
