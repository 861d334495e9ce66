"""What a predictor says of one network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted accuracy of one network.

    Attributes:
        accuracy: CIFAR-10 accuracy, in [0, 1].
        interval: Where nine in ten networks as familiar as this one lie.
        familiarity: Share of the training networks that are less likely than this one under the Gaussian
            mixture, in [0, 1], and less for every node of a kind that none of them has; 0 is unlike any.
        expert_weights: Posterior of each component, summing to 1.
        unseen: Operations, or sizes of operations, that no training network has, such as ``layer_norm``.
    """

    accuracy: float
    interval: tuple[float, float]
    familiarity: float
    expert_weights: tuple[float, ...]
    unseen: tuple[str, ...] = ()
