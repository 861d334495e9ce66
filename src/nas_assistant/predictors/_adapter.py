"""A correction for a user's own networks, learned from a few that were measured."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas_assistant.encoders import GraphArrays
from nas_assistant.predictors._calibration import Calibration, Widths, conformal_half_width, pair_residuals
from nas_assistant.predictors._traits import traits
from nas_assistant.predictors._vocabulary import Vocabulary, familiar_share

Array = npt.NDArray[np.float64]

_BELIEF = 3.0
"""The slope of the line counts for so many networks that obey the predictor."""
_LEAST_SPREAD = 0.25
"""A trait that varies less than this among the labelled networks counts as if it varied so much."""
_LEAST_SHARE = 0.01
_ENOUGH = 250
_ALIKE = 1.4
"""Distance over which networks are alike, where all labelled ones lie about 1.4 apart."""
_DOUBT = 0.1
_TENSORS = ("centre", "scale", "points", "along", "weights", "likeness")


@dataclass(frozen=True, slots=True)
class Kernel:
    """Covariance of what the line leaves, ``1 + line tt' + linear xx' + radial exp(-d^2 / 2 length^2)``.

    Attributes:
        line: Of the predictor's own target.
        linear: Of the traits.
        radial: Of what is like at like traits.
        length: Distance ``d`` over which that holds.
        noise: Variance of a label.
        share: Of this kernel in the mean of all.
    """

    line: float
    linear: float
    radial: float
    length: float
    noise: float
    share: float = 1.0

    def __call__(self, points: Array, along: Array, others: Array, along_others: Array) -> Array:
        """Covariances, ``(points, others)``, without the noise."""
        line = self.line * np.outer(along, along_others)
        near = self.radial * np.exp(-squared_distances(points, others) / (2.0 * self.length**2))
        return np.asarray(1.0 + line + self.linear * points @ others.T + near)


GRID = tuple(
    Kernel(*values)
    for values in itertools.product(
        (0.3, 3.0), (0.0, 0.1, 0.5), (0.1, 0.5, 1.0), (0.7, 1.4, 2.8), (0.03, 0.1, 0.3, 1.0, 3.0)
    )
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """Gaussian processes on top of a predictor (Rasmussen and Williams 2006, chapters 2 and 5).

    The prior mean is a line in the predictor's target whose slope is shrunk towards the predictor's. Kernels
    are weighted by their leave-one-out likelihood (section 5.4.2 there) over ``1 + signal / noise``: few
    labels shall not overrule a predictor lightly.

    Attributes:
        level: Target of a network that the predictor says ``middle`` of.
        middle: Mean of the predictor's targets of the labelled networks.
        spread: Standard deviation of them.
        slope: Of the line, for a step of ``spread``.
        centre: Means of the traits, ``(traits,)``.
        scale: Divisors of the traits, ``(traits,)``.
        points: Traits of the labelled networks, standardised, ``(labelled, traits)``.
        along: The predictor's targets of them, standardised, ``(labelled,)``.
        weights: Of each labelled network's covariance in the correction, ``(kernels, labelled)``.
        likeness: How like the others each labelled network is, sorted, ``(labelled,)``.
        kernels: The kernels.
        widths: Of the intervals of networks like the labelled ones.
        vocabulary: Kinds of nodes that the predictor's training or a labelled network has.
    """

    level: float
    middle: float
    spread: float
    slope: float
    centre: Array
    scale: Array
    points: Array
    along: Array
    weights: Array
    likeness: Array
    kernels: tuple[Kernel, ...]
    widths: Widths
    vocabulary: Vocabulary

    @classmethod
    def fit(
        cls,
        features: Array,
        predicted: Array,
        targets: Array,
        vocabulary: Vocabulary,
        *,
        grid: Sequence[Kernel] = GRID,
        seed: int = 0,
    ) -> tuple[Adapter, Array]:
        """Fit to labelled networks, in closed form.

        Args:
            features: Traits, ``(labelled, traits)``; see :func:`traits`.
            predicted: What the predictor says of them, ``(labelled,)``, on the scale of :func:`to_target`.
            targets: What was measured, on the same scale.
            vocabulary: Kinds of nodes that are known.
            grid: The kernels to weigh.
            seed: Of the pairs that the half-width of a gain is taken from.

        Returns:
            The adapter, and what it predicts of every labelled network without its label, ``(labelled,)``:
            the line, the scales and the kernels' shares stay as they are.
        """
        middle, spread = float(predicted.mean()), max(float(predicted.std()), 1e-6)
        along = (predicted - middle) / spread
        level, count = float(targets.mean()), len(targets)
        found = max(float(along @ (targets - level)) / count, 0.0)
        own = min(spread, 2.0 * float(targets.std()))
        slope = (count * found + _BELIEF * own) / (count + _BELIEF)
        centre, deviation = features.mean(axis=0), features.std(axis=0)
        scale = np.maximum(deviation, _LEAST_SPREAD) * np.sqrt(max(int((deviation > 1e-9).sum()), 1))
        points = (features - centre) / scale
        left = targets - level - slope * along
        unit = max(float(left.std()), 1e-9)
        few = np.random.default_rng(seed).permutation(count)[:_ENOUGH]
        if count > _ENOUGH:  # where kernels differ, so many labels tell; only the good ones see all labels
            grid, _, _ = _weigh(points[few], along[few], left[few] / unit, grid)
        kernels, weights, errors = _weigh(points, along, left / unit, grid)
        errors = unit * errors
        gain = conformal_half_width([pair_residuals(errors, seed)])
        adapter = cls(
            level=level,
            middle=middle,
            spread=spread,
            slope=slope,
            centre=centre,
            scale=scale,
            points=points,
            along=along,
            weights=unit * weights,
            likeness=np.sort(1.0 - 1.0 / np.diag(np.linalg.inv(_alike(points))) + _DOUBT),
            kernels=kernels,
            widths=Widths(conformal_half_width([errors]), gain, 1.0),
            vocabulary=vocabulary,
        )
        return adapter, targets - errors

    def __call__(self, features: Array, predicted: Array) -> Array:
        """Corrected targets of networks, ``(networks,)``.

        Args:
            features: Their traits, ``(networks, traits)``.
            predicted: What the predictor says of them, ``(networks,)``.
        """
        points, along = (features - self.centre) / self.scale, (predicted - self.middle) / self.spread
        corrected = self.level + self.slope * along
        for kernel, weights in zip(self.kernels, self.weights, strict=True):
            corrected = corrected + kernel(points, along, self.points, self.along) @ weights
        return np.asarray(corrected)

    def familiarity(self, features: Array) -> Array:
        """Share of the labelled networks that are less like the other ones than these are, ``(networks,)``.

        Likeness is the part of the prior variance of a radial process that the labelled networks take away.
        """
        points = (features - self.centre) / self.scale
        near = np.exp(-squared_distances(points, self.points) / (2.0 * _ALIKE**2))
        like = np.einsum("ij,jk,ik->i", near, self._precision, near)
        grid = np.linspace(0.0, 1.0, len(self.likeness) + 1)
        return np.asarray(np.interp(like, np.append(0.0, self.likeness), grid))

    def correct(
        self, arrays: Sequence[GraphArrays], predicted: Array, familiarities: Array
    ) -> tuple[Array, Array, list[tuple[str, ...]]]:
        """Corrected targets, familiarities and names of the kinds of nodes that are still unseen.

        Args:
            arrays: The networks.
            predicted: What the predictor says of them, ``(networks,)``.
            familiarities: How familiar they are to it, ``(networks,)``.
        """
        features = traits(arrays)
        unseen = [self.vocabulary.unseen(one) for one in arrays]
        known = np.asarray([familiar_share(share) for _, share in unseen])
        like = np.maximum(familiarities, self.familiarity(features) * known)
        return self(features, predicted), like, [names for names, _ in unseen]

    def calibration(self, before: Calibration) -> Calibration:
        """Half-widths once the correction is applied, from those of the predictor itself."""
        far, own = before.unfamiliar, self.widths
        wide = Widths(max(far.accuracy, own.accuracy), max(far.gain, own.gain), far.share)
        return Calibration(own, wide, before.quantiles)

    def to_json(self) -> dict[str, Any]:
        """What is no tensor, as plain data."""
        return {
            "level": self.level,
            "middle": self.middle,
            "spread": self.spread,
            "slope": self.slope,
            "kernels": [asdict(kernel) for kernel in self.kernels],
            "widths": asdict(self.widths),
            "vocabulary": self.vocabulary.to_json(),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """The arrays, in double precision."""
        return {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in _TENSORS}

    @classmethod
    def from_parts(cls, data: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Adapter:
        """Inverse of :meth:`to_json` and :meth:`tensors`."""
        values: dict[str, Any] = {name: float(data[name]) for name in ("level", "middle", "spread", "slope")}
        values |= {name: tensors[name].double().numpy() for name in _TENSORS}
        return cls(
            **values,
            kernels=tuple(Kernel(**kernel) for kernel in data["kernels"]),
            widths=Widths(**data["widths"]),
            vocabulary=Vocabulary.from_json(data["vocabulary"]),
        )

    @cached_property
    def _precision(self) -> Array:
        return np.asarray(np.linalg.inv(_alike(self.points)))


def squared_distances(points: Array, others: Array) -> Array:
    """``(points, others)``."""
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2.0 * points @ others.T, 0.0))


def _alike(points: Array) -> Array:
    near = np.exp(-squared_distances(points, points) / (2.0 * _ALIKE**2))
    return np.asarray(near + _DOUBT * np.eye(len(points)))


def _weigh(
    points: Array, along: Array, left: Array, grid: Sequence[Kernel]
) -> tuple[tuple[Kernel, ...], Array, Array]:
    """Kernels that matter with their shares, their weights, and the mean error of leaving one out.

    The error of leaving out network i is ``(C^-1 y)_i / (C^-1)_ii`` and its variance ``1 / (C^-1)_ii``; the
    common scale of the variances is the one under which the errors are likeliest.
    """
    merits, weights, errors = [], [], []
    for _, group in itertools.groupby(grid, key=lambda k: (k.line, k.linear, k.radial, k.length)):
        members = list(group)
        values, vectors = np.linalg.eigh(members[0](points, along, points, along))
        turned = vectors.T @ left
        for kernel in members:
            inverse = 1.0 / (np.maximum(values, 0.0) + kernel.noise)
            weight, precision = vectors @ (inverse * turned), (vectors**2) @ inverse
            error = weight / precision
            scale = max(float((error**2 * precision).mean()), 1e-12)
            bold = np.log1p((kernel.linear + kernel.radial) / kernel.noise)
            merits.append(0.5 * float(np.log(precision / scale).sum()) - float(bold))
            weights.append(weight)
            errors.append(error)
    shares = np.exp(np.asarray(merits) - max(merits))
    shares = np.where(shares >= _LEAST_SHARE, shares, 0.0)
    shares = shares / shares.sum()
    kept = np.flatnonzero(shares).tolist()
    kernels = tuple(
        Kernel(k.line, k.linear, k.radial, k.length, k.noise, float(shares[i]))
        for i, k in ((i, grid[i]) for i in kept)
    )
    together = np.stack([shares[i] * weights[i] for i in kept])
    return kernels, together, np.asarray(sum(shares[i] * errors[i] for i in kept))
