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
            mixture, in [0, 1]; 0 is unlike any of them.
        expert_weights: Posterior of each component, summing to 1.
    """

    accuracy: float
    interval: tuple[float, float]
    familiarity: float
    expert_weights: tuple[float, ...]
