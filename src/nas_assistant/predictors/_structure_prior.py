"""What a graph's structure alone says of accuracy, in any family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_assistant.encoders import STRUCTURE

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StructurePrior:
    """A line in the statistics :data:`STRUCTURE` whose slopes have the signs that are known.

    A learned predictor may rank worse than FLOPs outside its family, because it takes for causes what
    happens to go together in it. Slopes that may only shrink, never turn, cannot. The penalty is as large as
    the evidence, so that statistics that say the same share what they say: near the improper linear models of
    Dawes 1979 ("The Robust Beauty of Improper Linear Models", section "Do Linear Models Work Best?").

    Attributes:
        slopes: One for each statistic.
        centre: Mean of the statistics over the training families.
        intercept: Value there.
    """

    slopes: tuple[float, ...]
    centre: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(
        cls,
        statistics: Sequence[Array],
        targets: Sequence[Array],
        *,
        penalty: float = 2.0,
    ) -> StructurePrior:
        """Ridge regression with signs, within families: their levels do not bend the slopes.

        Args:
            statistics: ``(networks, len(STRUCTURE))`` of each family.
            targets: ``(networks,)`` of each family, on the scale of :func:`to_target`.
            penalty: On the squared slopes of standardised statistics.
        """
        from scipy.optimize import nnls  # a slow import that only training needs

        signs = np.asarray(list(STRUCTURE.values()), dtype=np.float64)
        scales = [robust_scale(t) for t in targets]
        rows = np.concatenate([_weigh(x - x.mean(axis=0)) for x in statistics])
        wanted = np.concatenate([_weigh(standardise(t)) for t in targets])
        spread = np.sqrt((rows**2).sum(axis=0) / len(targets))
        rows = rows / np.where(spread > 1e-9, spread, np.inf) * signs
        ridge = np.sqrt(penalty * len(targets)) * np.eye(len(signs))
        found, _ = nnls(np.vstack([rows, ridge]), np.concatenate([wanted, np.zeros(len(signs))]))
        # What the penalty shrank grows again, as one: it shall share weights out, not belittle differences.
        fitted = rows @ found
        found = found * max(float(wanted @ fitted) / max(float(fitted @ fitted), 1e-12), 0.0)
        slopes = found * signs / np.where(spread > 1e-9, spread, np.inf)
        slopes = slopes * float(np.mean(scales))
        centre = np.mean([x.mean(axis=0) for x in statistics], axis=0)
        intercept = float(np.mean([np.median(t) for t in targets]))
        return cls(tuple(slopes.tolist()), tuple(centre.tolist()), intercept)

    def __call__(self, statistics: Array) -> Array:
        """Targets of networks of these statistics, ``(networks,)``."""
        return np.asarray(self.intercept + (statistics - np.asarray(self.centre)) @ np.asarray(self.slopes))

    @property
    def width_octave(self) -> float:
        """What a doubling of every width adds to the target: a layer's MACs and parameters grow fourfold."""
        slopes = dict(zip(STRUCTURE, self.slopes, strict=True))
        eighth = slopes["macs_eighth"] + slopes["parameters_eighth"]
        quarter = slopes["macs_quarter"] + slopes["parameters_quarter"]
        return 0.25 * eighth + 0.5 * quarter

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StructurePrior:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: It is of other statistics.
        """
        if len(data["slopes"]) != len(STRUCTURE):
            raise ValueError(f"{len(data['slopes'])} slopes for {len(STRUCTURE)} statistics; train it anew")
        return cls(tuple(data["slopes"]), tuple(data["centre"]), data["intercept"])


def robust_scale(targets: Array) -> float:
    """Standard deviation as the median absolute deviation has it."""
    return max(1.4826 * float(np.median(np.abs(targets - np.median(targets)))), 1e-6)


def standardise(targets: Array) -> Array:
    """Deviations from the median in units of :func:`robust_scale`, cut off at three."""
    return np.clip((targets - np.median(targets)) / robust_scale(targets), -3.0, 3.0)


def _weigh(values: Array) -> Array:
    """Each family counts as one."""
    return np.asarray(values / np.sqrt(len(values)))
