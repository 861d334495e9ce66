"""SWAP."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import Array, BaseProbe

_SAMPLES = 16


class Swap(BaseProxy):
    """Number of sample-wise activation patterns (Peng et al. 2024, "SWAP-NAS", ICLR).

    A unit's pattern says for which samples it is on; the score counts the different patterns among all units
    of all activation functions. Taken on the first 16 samples, as published: with more, nearly all patterns
    differ and the score counts units.
    """

    name: ClassVar[str] = "swap"
    title: ClassVar[str] = "SWAP, sample-wise activation patterns"

    def compute(self, probe: BaseProbe) -> float:
        """Count the different patterns."""
        found = probe.patterns()
        if not found:
            raise probe.unsupported("no activation function was found")
        codes = [np.unique(_codes(pattern[:_SAMPLES])) for pattern in found]
        return float(len(np.unique(np.concatenate(codes))))


def _codes(pattern: Array) -> Array:
    """The pattern of each unit as a number, ``(units,)``."""
    powers = 2 ** np.arange(len(pattern), dtype=np.int64)
    return np.asarray(powers @ pattern.astype(np.int64))
