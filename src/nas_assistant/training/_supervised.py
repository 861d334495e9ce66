"""Fine-tuning of the encoder on labels, with widths varied so that it knows more than the family's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.encoders import GraphArrays, GraphBatch, GraphEncoder, mask_batch, widen_batch
from nas_assistant.training._config import TrainingConfig
from nas_assistant.training._state import TrainingState, draw, warm_cosine

Report = Callable[[int, int, dict[str, float]], None]


class SupervisedEncoder(nn.Module):
    """The encoder with a linear head that only its fine-tuning needs."""

    def __init__(self, encoder: GraphEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, 1)

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """Targets, ``(graphs,)``."""
        return torch.as_tensor(self.head(self.encoder(batch)).squeeze(1))


def ranking_loss(scores: torch.Tensor, targets: torch.Tensor, family: torch.Tensor) -> torch.Tensor:
    """Pairwise logistic loss (Burges et al. 2005, "Learning to Rank using Gradient Descent", section 3).

    Args:
        scores: ``(graphs,)``.
        targets: ``(graphs,)``.
        family: ``(graphs,)``; only networks of one family are compared.
    """
    order = torch.sign(targets[:, None] - targets[None, :]) * (family[:, None] == family[None, :])
    margins = (scores[:, None] - scores[None, :]) * order
    return torch.as_tensor(F.softplus(-margins)[order != 0].mean())


def fine_tune_encoder(
    encoder: GraphEncoder,
    families: Sequence[Sequence[GraphArrays]],
    targets: Sequence[torch.Tensor],
    width_octave: float,
    config: TrainingConfig,
    folder: Path,
    report: Report | None = None,
) -> GraphEncoder:
    """Fit the encoder to labels, or go on from the state in ``folder``.

    Some graphs of a step are seen with all their widths scaled by one random factor, and their target moves
    with it, so that the encoder learns an effect of width that a benchmark of fixed widths cannot show it.

    Args:
        encoder: Trained without labels.
        families: Labelled graphs of each family.
        targets: ``(graphs,)`` of each family, on the scale of :func:`to_target`.
        width_octave: What a doubling of all widths adds to a target.
        config: Settings.
        folder: Where the state is kept.
        report: Called after each step with the step, the total and the losses.
    """
    torch.manual_seed(config.seed)
    model = SupervisedEncoder(encoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    state = TrainingState(model, optimizer)
    counts = [len(graphs) for graphs in families]
    fingerprint = {**config.encoder_settings(), "graphs": counts, "stage": "supervised"}
    state.restore(folder, fingerprint)
    model.train()
    for step in range(state.step, config.supervised_steps):
        rng = np.random.default_rng([config.seed, 1, step])
        torch.manual_seed(int(rng.integers(2**31)))
        chosen = draw(counts, config.batch, rng)
        batch = GraphBatch.collate([families[f][i] for f, members in enumerate(chosen) for i in members])
        family = torch.cat([torch.full((len(members),), f) for f, members in enumerate(chosen)])
        octaves = torch.from_numpy(_octaves(rng, len(family), config.widen))
        batch = replace(batch, sizes=widen_batch(batch, octaves))
        labels = torch.cat([targets[f][members] for f, members in enumerate(chosen)])
        wanted = labels + octaves * width_octave
        scores = model(mask_batch(batch, config.node_dropout))
        error, ranking = F.smooth_l1_loss(scores, wanted), ranking_loss(scores, wanted, family)
        rate = config.learning_rate * warm_cosine(step / config.supervised_steps)
        state.descend(error + config.ranking * ranking, rate)
        if state.step % config.save_every == 0 or state.step == config.supervised_steps:
            state.save(folder, fingerprint)
        if report is not None:
            values = {"error": float(error.detach()), "ranking": float(ranking.detach())}
            report(state.step, config.supervised_steps, values)
    return model.encoder.eval()


def _octaves(
    rng: np.random.Generator, count: int, share: float
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Doublings of the width: -4.5 to 1 for a share of the graphs, none for the others."""
    shifts = rng.uniform(-4.5, 1.0, count) * (rng.random(count) < share)
    return shifts.astype(np.float32)
