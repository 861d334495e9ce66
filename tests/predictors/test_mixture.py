"""The Gaussian mixture and the gated experts."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import multivariate_normal

from nas_assistant.predictors import GaussianMixture, MixtureOfExperts, from_target, to_target


def blobs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    return torch.cat([c + 0.5 * torch.randn(200, 2, generator=generator) for c in centres])


def test_em_finds_the_blobs_their_shares_and_the_one_variance() -> None:
    mixtures = [GaussianMixture.fit(blobs(), 3, seed=seed, tolerance=1e-7) for seed in range(4)]
    best = max(mixtures, key=lambda m: float(m.log_likelihood(blobs()).mean()))
    order = best.means[best.means.sum(1).argsort()]
    assert torch.allclose(order[0], torch.zeros(2), atol=0.15)
    assert torch.allclose(best.log_weights.exp(), torch.full((3,), 1 / 3), atol=0.02)
    assert abs(best.variance - 0.25) < 0.03


def test_density_and_posterior_are_those_of_the_formula() -> None:
    mixture = GaussianMixture.fit(blobs(), 3, seed=1)
    points = blobs()[:7]
    covariance = mixture.variance * np.eye(2)
    parts = np.stack(
        [
            np.exp(float(w)) * multivariate_normal(m.numpy(), covariance).pdf(points.numpy())
            for w, m in zip(mixture.log_weights, mixture.means, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(mixture.log_likelihood(points).numpy(), np.log(parts.sum(1)), rtol=1e-4)
    expected = parts / parts.sum(1, keepdims=True)
    np.testing.assert_allclose(mixture.posterior(points).numpy(), expected, atol=1e-5)


def test_the_same_seed_gives_the_same_mixture_and_likelihood_never_falls() -> None:
    first, second = (GaussianMixture.fit(blobs(), 5, seed=3) for _ in range(2))
    assert torch.equal(first.means, second.means)
    scores = [
        float(GaussianMixture.fit(blobs(), 5, seed=3, max_iterations=n).log_likelihood(blobs()).mean())
        for n in (1, 3, 10, 50)
    ]
    assert scores == sorted(scores)


def test_far_points_are_unfamiliar() -> None:
    mixture = GaussianMixture.fit(blobs(), 3, seed=0)
    near, far = mixture.log_likelihood(torch.tensor([[0.0, 0.0], [50.0, 50.0]]))
    assert near > far


def test_the_gate_weights_each_expert() -> None:
    torch.manual_seed(0)
    experts = MixtureOfExperts(8, 3).eval()
    with torch.no_grad():
        experts.gate.weight.zero_()
        experts.shift.normal_()
        experts.offset.copy_(torch.tensor([0.0, 10.0, -10.0]))
    x = torch.randn(4, 8)
    one_hot = [experts(x, torch.eye(3)[q].expand(4, 3)) for q in range(3)]
    mixed = experts(x, torch.tensor([0.2, 0.5, 0.3]).expand(4, 3))
    assert torch.allclose(mixed, 0.2 * one_hot[0] + 0.5 * one_hot[1] + 0.3 * one_hot[2], atol=1e-5)
    assert not torch.allclose(one_hot[0], one_hot[1])


def test_targets_go_there_and_back_in_order() -> None:
    accuracies = torch.tensor([0.1, 0.5, 0.9, 0.95])
    targets = to_target(accuracies)
    assert torch.allclose(from_target(targets), accuracies, atol=1e-5) and (targets.diff() > 0).all()
