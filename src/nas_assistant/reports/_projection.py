"""Vectors of networks brought to a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nas_assistant.errors import UserError
from nas_assistant.reports._theme import percent

Method = Literal["pca", "tsne"]
NAMES: dict[Method, str] = {"pca": "PCA", "tsne": "t-SNE"}

_OUTER = 0.005
"""Share of the networks at either end of an axis that may lie outside the map."""


@dataclass(frozen=True)
class Projection:
    """Where networks lie on a map.

    Attributes:
        method: How they got there.
        points: ``(networks, 2)``.
        explained: Shares of the variance along either axis, of PCA alone.
    """

    method: Method
    points: npt.NDArray[np.float64]
    explained: tuple[float, float] | None = None

    def labels(self) -> tuple[str, str]:
        """What stands at the axes."""
        if self.explained is None:
            return "t-SNE 1", "t-SNE 2"
        first, second = (
            f"PC {axis + 1} ({percent(share)} of the variance)" for axis, share in enumerate(self.explained)
        )
        return first, second

    def frame(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ends of either axis: few points far off are outside, so that the others do not shrink to a dot."""
        ends = []
        for axis in range(2):
            values = self.points[:, axis]
            low, inner_low, inner_high, high = np.quantile(values, [0.0, _OUTER, 1.0 - _OUTER, 1.0])
            reach = 0.25 * (inner_high - inner_low)
            low, high = max(low, inner_low - reach), min(high, inner_high + reach)
            margin = 0.04 * max(high - low, 1e-9)
            ends.append((float(low - margin), float(high + margin)))
        return ends[0], ends[1]


def project_vectors(vectors: npt.NDArray[Any], method: Method, seed: int) -> Projection:
    """Project vectors of shape ``(networks, width)`` to the plane.

    Raises:
        UserError: There are fewer than five of them.
    """
    if len(vectors) < 5:
        raise UserError(f"a map needs at least 5 networks, not {len(vectors)}")
    seed %= 2**32  # all that scikit-learn takes
    if method == "pca":
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=seed)
        points = np.asarray(pca.fit_transform(vectors), dtype=np.float64)
        first, second = map(float, pca.explained_variance_ratio_)
        return Projection(method, points, (first, second))
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return Projection(method, np.asarray(model.fit_transform(vectors), dtype=np.float64))


def project(vectors: npt.NDArray[Any], method: Method, seed: int) -> npt.NDArray[np.float64]:
    """Points of :func:`project_vectors`, ``(networks, 2)``.

    Raises:
        UserError: There are fewer than five vectors.
    """
    return project_vectors(vectors, method, seed).points
