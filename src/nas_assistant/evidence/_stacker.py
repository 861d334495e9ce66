"""A stacker: learned weights for ranks, and an interval that was calibrated where it did not learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_assistant.errors import UserError
from nas_assistant.evidence._ranks import Array, normal_scores

PREDICTOR = "predictor"
_PENALTY = 0.1


@dataclass(frozen=True, slots=True)
class Pool:
    """Networks that are compared with each other, such as those of one family.

    Attributes:
        evidence: ``(networks,)`` of each kind, by name; the predicted accuracy is named :data:`PREDICTOR`.
        accuracies: ``(networks,)``, measured; None where they are not known.
        comparable: Whether these are accuracies such as the predictor predicts, rather than only ranks.
    """

    evidence: Mapping[str, Array]
    accuracies: Array | None = None
    comparable: bool = True

    def scores(self, names: Sequence[str]) -> Array:
        """Normal scores, ``(networks, len(names))``.

        Raises:
            UserError: A kind of evidence is missing.
        """
        missing = [name for name in names if name not in self.evidence]
        if missing:
            raise UserError(f"the stacker needs evidence that is not there: {', '.join(missing)}")
        return np.stack([normal_scores(self.evidence[name]) for name in names], axis=1)


@dataclass(frozen=True, slots=True)
class Stacked:
    """What all evidence says of one network.

    Attributes:
        score: To rank by.
        accuracy: The accuracy that this stands for among the predicted ones.
        interval: Where nine in ten measured accuracies lie.
    """

    score: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stacker:
    """A sum of normal scores with weights that are not negative.

    Stacking (Wolpert 1992, "Stacked Generalization", section 2) with the constraint of Breiman 1996 ("Stacked
    Regressions", section 3): without it, evidence that goes together in one family is played off against
    each other, and turns round in the next. The scores are of ranks within a pool, so a pool of few networks
    says little.

    Attributes:
        weights: By kind of evidence.
        half_width: Of the interval, on the scale of :func:`nas_assistant.predictors.to_target`.
    """

    weights: Mapping[str, float]
    half_width: float

    @classmethod
    def fit(cls, pools: Sequence[Pool], names: Sequence[str]) -> Stacker:
        """Learn weights from all pools, and calibrate on each with weights that were learned from the others.

        Args:
            pools: With their accuracies, and with predictions where they are comparable. Of a single pool the
                interval is that of the fit; where none is comparable, it is the whole scale.
            names: Kinds of evidence.

        Raises:
            UserError: There is no pool, or accuracies or evidence are missing.
        """
        from nas_assistant.predictors import conformal_half_width

        if not pools:
            raise UserError("a stacker is learned from one pool of networks or more")
        whole = cls(_weights(pools, names), 0.0)
        residuals = []
        for left_out in pools:
            others = [pool for pool in pools if pool is not left_out] or [left_out]
            if left_out.comparable:
                residuals.append(cls(_weights(others, names), 0.0).residuals(left_out))
        return cls(whole.weights, conformal_half_width(residuals))

    def score(self, pool: Pool) -> Array:
        """What to rank by, ``(networks,)``."""
        names = list(self.weights)
        return np.asarray(pool.scores(names) @ np.asarray([self.weights[name] for name in names]))

    def targets(self, pool: Pool) -> Array:
        """Scores with mean and spread of the predictions, on the scale of ``to_target``, ``(networks,)``.

        Raises:
            UserError: There are no predictions.
        """
        if PREDICTOR not in pool.evidence:
            raise UserError(f"a stacked accuracy needs the evidence {PREDICTOR!r}, which is not there")
        predicted = _to_target(pool.evidence[PREDICTOR])
        score = self.score(pool)
        spread = score.std()
        standard = (score - score.mean()) / spread if spread > 0 else np.zeros_like(score)
        return np.asarray(predicted.mean() + predicted.std() * standard)

    def residuals(self, pool: Pool) -> Array:
        """Stacked less measured, on the scale of ``to_target``, ``(networks,)``."""
        return np.asarray(self.targets(pool) - _to_target(_measured(pool)))

    def predict(self, pool: Pool) -> list[Stacked]:
        """One score and interval a network, in order."""
        import torch

        from nas_assistant.predictors import from_target

        targets = torch.from_numpy(
            self.targets(pool)[:, None] + np.asarray([-1.0, 0.0, 1.0]) * self.half_width
        )
        ends = from_target(targets).tolist()
        scores = self.score(pool).tolist()
        return [Stacked(s, middle, (low, high)) for s, (low, middle, high) in zip(scores, ends, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; :meth:`from_json` is its inverse."""
        return {"weights": dict(self.weights), "half_width": self.half_width}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stacker:
        """Read what :meth:`to_json` wrote."""
        weights = {str(name): float(weight) for name, weight in data["weights"].items()}
        return cls(weights, float(data["half_width"]))


def _to_target(accuracies: Array) -> Array:
    import torch  # slow imports, as below: a run that asks the predictor alone needs none of them

    from nas_assistant.predictors import to_target

    return np.asarray(to_target(torch.from_numpy(np.asarray(accuracies, dtype=np.float64))).numpy())


def _measured(pool: Pool) -> Array:
    if pool.accuracies is None:
        raise UserError("a stacker is learned from pools with accuracies: one has none")
    return pool.accuracies


def _weights(pools: Sequence[Pool], names: Sequence[str]) -> dict[str, float]:
    from scipy.optimize import nnls  # a slow import that only fitting needs

    rows, wanted = [], []
    for pool in pools:
        accuracies = _measured(pool)
        share = 1.0 / np.sqrt(len(accuracies) * len(pools))
        rows.append(pool.scores(names) * share)
        wanted.append(normal_scores(accuracies) * share)
    penalty = np.sqrt(_PENALTY) * np.eye(len(names))
    found, _ = nnls(np.vstack([*rows, penalty]), np.concatenate([*wanted, np.zeros(len(names))]))
    return dict(zip(names, found.tolist(), strict=True))
