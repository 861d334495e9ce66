"""Gaussian mixture whose spherical components share one variance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class GaussianMixture:
    """Soft clusters of graph vectors (Mishra 2023, section 2.1.3).

    Attributes:
        means: ``(components, width)``.
        log_weights: ``(components,)``, logarithms of the mixture coefficients.
        variance: Of every coordinate of every component.
    """

    means: torch.Tensor
    log_weights: torch.Tensor
    variance: float

    @classmethod
    def fit(
        cls,
        points: torch.Tensor,
        components: int = 50,
        *,
        seed: int = 0,
        tolerance: float = 1e-4,
        max_iterations: int = 200,
        progress: Callable[[int], None] | None = None,
    ) -> GaussianMixture:
        """Fit by expectation maximisation (Mishra 2023, algorithm 1).

        Starts at random points with uniform coefficients; stops when the means move less than ``tolerance``,
        relative to the spread of the points. A component that no point belongs to starts again at a point.

        Args:
            points: ``(points, width)``.
            components: Number of components.
            seed: Of the random start.
            tolerance: See above.
            max_iterations: Bound on the iterations.
            progress: Called with the number of each iteration.
        """
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(points), generator=generator)[:components]
        spread = float(points.var(dim=0, correction=0).mean())
        mixture = cls(points[chosen].clone(), torch.full((len(chosen),), -math.log(len(chosen))), spread)
        for iteration in range(max_iterations):
            posterior = mixture.posterior(points)
            mass = posterior.sum(dim=0)
            means = (posterior.T @ points) / mass.clamp_min(1e-9)[:, None]
            empty = torch.nonzero(mass < 1e-6).flatten()
            again = torch.randperm(len(points), generator=generator)[: len(empty)]
            means[empty] = points[again]
            distances = torch.cdist(points, means).square()
            variance = float((posterior * distances).sum() / points.numel())
            moved = float((means - mixture.means).norm())
            weights = mass.clamp_min(1e-9) / mass.clamp_min(1e-9).sum()
            mixture = cls(means, weights.log(), max(variance, 1e-8))
            if progress is not None:
                progress(iteration)
            if moved < tolerance * math.sqrt(spread * means.numel()):
                break
        return mixture

    def log_joint(self, points: torch.Tensor) -> torch.Tensor:
        """``log pi_q + log N(x | mu_q, variance)``, ``(points, components)``."""
        width = self.means.shape[1]
        distances = torch.cdist(points, self.means).square()
        constant = 0.5 * width * math.log(2 * math.pi * self.variance)
        return self.log_weights - distances / (2 * self.variance) - constant

    def posterior(self, points: torch.Tensor) -> torch.Tensor:
        """``P(q | x)``, ``(points, components)``; rows sum to 1."""
        return self.log_joint(points).softmax(dim=1)

    def log_likelihood(self, points: torch.Tensor) -> torch.Tensor:
        """``log p(x)``, ``(points,)``: how familiar each point is."""
        return self.log_joint(points).logsumexp(dim=1)
