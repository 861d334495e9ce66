"""NASWOT."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nas_assistant.proxies._base import BaseProxy
from nas_assistant.proxies._probe import BaseProbe


class Naswot(BaseProxy):
    """How well the activation patterns tell the samples apart (Mellor et al. 2021, "NAS without Training").

    ``log |det K|`` with ``K_ij`` the number of units, over all activation functions, in which samples i and
    j are both on or both off.
    """

    name: ClassVar[str] = "naswot"
    title: ClassVar[str] = "NASWOT, overlap of activation patterns"

    def compute(self, probe: BaseProbe) -> float:
        """From the kernel of Hamming distances."""
        kernel: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | float = 0.0
        for pattern in probe.patterns():
            bits = pattern.astype(np.float32)
            on = bits.sum(axis=1)
            # Both on, and both off: the second product follows from the first.
            kernel = kernel + (2.0 * (bits @ bits.T) + bits.shape[1] - on[:, None] - on[None, :])
        if isinstance(kernel, float):
            raise probe.unsupported("no activation function was found")
        return float(np.linalg.slogdet(np.asarray(kernel, dtype=np.float64))[1])
