"""What size alone says of accuracy, to steady the experts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SizePrior:
    """A line in the logarithms of parameters, FLOPs and depth that never falls.

    Outside its training family a learned predictor can rank worse than FLOPs alone; a monotone line cannot.

    Attributes:
        slopes: One for each of parameters, FLOPs and depth, none negative.
        centre: Mean logarithms of the training networks.
        intercept: Value there.
        share: Weight of this prior in a prediction, against the experts'. The same for every network, so that
            an edit is judged by what it changes and not by how familiar it looks.
    """

    slopes: tuple[float, ...]
    centre: tuple[float, ...]
    intercept: float
    share: float = 0.4

    @classmethod
    def fit(cls, sizes: Array, targets: Array) -> SizePrior:
        """Non-negative least squares.

        Args:
            sizes: ``(networks, 3)``: parameters, FLOPs and depth.
            targets: ``(networks,)``, on the scale of :func:`to_target`; cut off at three deviations.
        """
        from scipy.optimize import nnls  # a slow import that only training needs

        logs = np.log2(np.maximum(sizes, 1.0))
        centre, clipped = logs.mean(axis=0), np.clip(targets, -3.0, 3.0)
        slopes, _ = nnls(logs - centre, clipped - clipped.mean())
        return cls(tuple(slopes.tolist()), tuple(centre.tolist()), float(clipped.mean()))

    def __call__(self, sizes: Array) -> Array:
        """Targets of networks of these sizes, ``(networks,)``."""
        logs = np.log2(np.maximum(sizes, 1.0))
        return np.asarray(self.intercept + (logs - np.asarray(self.centre)) @ np.asarray(self.slopes))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SizePrior:
        """Inverse of :meth:`to_json`."""
        return cls(tuple(data["slopes"]), tuple(data["centre"]), data["intercept"], data["share"])
