"""Fuzzy C-means."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_FUZZINESS = 1.5


@dataclass(frozen=True)
class FuzzyClusters:
    """Soft clusters of vectors (Bezdek 1981, "Pattern Recognition with Fuzzy Objective Function Algorithms").

    The fuzziness is 1.5: with the usual 2, all centres of vectors this long fall together.

    Attributes:
        centres: ``(clusters, width)``.
    """

    centres: torch.Tensor

    @classmethod
    def fit(
        cls, points: torch.Tensor, clusters: int, *, seed: int, tolerance: float = 1e-4, iterations: int = 100
    ) -> FuzzyClusters:
        """Alternate memberships and centres, from random points, until no centre moves.

        Args:
            points: ``(points, width)``.
            clusters: Number of clusters.
            seed: Of the start.
            tolerance: Relative to the deviation of the points.
            iterations: Bound on the iterations.
        """
        generator = torch.Generator().manual_seed(seed)
        found = cls(points[torch.randperm(len(points), generator=generator)[:clusters]].clone())
        bound = tolerance * float(points.std(dim=0).norm())
        for _ in range(iterations):
            weights = found.memberships(points) ** _FUZZINESS
            centres = weights.T @ points / weights.sum(dim=0).clamp_min(1e-9)[:, None]
            moved = float((centres - found.centres).norm(dim=1).max())
            found = cls(centres)
            if moved < bound:
                break
        return found

    def memberships(self, points: torch.Tensor) -> torch.Tensor:
        """Membership of every point in every cluster, ``(points, clusters)``; rows sum to 1."""
        # Not by matrix products: their rounding is coarse next to a centre.
        distances = torch.cdist(points, self.centres, compute_mode="donot_use_mm_for_euclid_dist")
        return (-2.0 / (_FUZZINESS - 1.0) * distances.clamp_min(1e-9).log()).softmax(dim=1)
