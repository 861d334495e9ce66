"""Supervised training of the mixture of experts on the vectors of labelled graphs."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from nas_assistant.predictors import GaussianMixture, MixtureOfExperts
from nas_assistant.training._config import TrainingConfig

_BATCH = 256


def train_experts(
    vectors: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    mixture: GaussianMixture,
    config: TrainingConfig,
) -> MixtureOfExperts:
    """Fit the experts; the encoder and the gate stay as they are.

    The loss is Huber's on the scale of :func:`to_target`: the few networks that hardly learn would
    otherwise count more than all others.

    Args:
        vectors: ``(graphs, width)``.
        targets: ``(graphs,)``, on the scale of :func:`to_target`.
        weights: ``(graphs,)``, of the graphs' errors.
        mixture: Gives the gate.
        config: Settings.
    """
    torch.manual_seed(config.seed)
    experts = MixtureOfExperts(vectors.shape[1], len(mixture.means), shared=config.shared_experts)
    optimizer = torch.optim.AdamW(experts.parameters(), lr=config.learning_rate, weight_decay=1e-3)
    gates = mixture.posterior(vectors)
    generator = torch.Generator().manual_seed(config.seed)
    experts.train()
    for epoch in range(config.regressor_epochs):
        rate = config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * epoch / config.regressor_epochs))
        for group in optimizer.param_groups:
            group["lr"] = rate
        for chosen in torch.split(torch.randperm(len(vectors), generator=generator), _BATCH):
            predicted = experts(vectors[chosen], gates[chosen])
            errors = F.smooth_l1_loss(predicted, targets[chosen], reduction="none")
            loss = (errors * weights[chosen]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return experts.eval()
