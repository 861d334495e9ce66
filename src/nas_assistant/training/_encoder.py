"""Unsupervised training of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nas_assistant.encoders import (
    EncoderConfig,
    GraphArrays,
    GraphBatch,
    GraphEncoder,
    NodeDecoder,
    contrastive_loss,
    mask_batch,
    reconstruction_loss,
    spectral_soft_labels,
    temperature_at,
)
from nas_assistant.training._config import TrainingConfig
from nas_assistant.training._state import TrainingState, draw, warm_cosine

_REBUILT_NODES = 16
"""Nodes of each graph that a step rebuilds, drawn at random."""

Report = Callable[[int, int, dict[str, float]], None]


class UnsupervisedEncoder(nn.Module):
    """The encoder with the heads that only its training needs."""

    def __init__(self, encoder: GraphEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        width = self.encoder.width
        self.projection = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 128))
        self.decoder = NodeDecoder(width, self.encoder.embed.width)

    def losses(
        self, batch: GraphBatch, config: TrainingConfig, progress: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Contrastive and reconstruction loss of one batch, each graph seen twice through dropout."""
        nodes = self.encoder.embed(batch.categories, batch.sizes)
        views = [self.encoder(mask_batch(batch, config.node_dropout)) for _ in range(2)]
        first, last = config.temperatures
        temperature = temperature_at(progress, first, last)
        labels = spectral_soft_labels(batch.spectra.repeat(2, 1), config.label_scale)
        contrastive = contrastive_loss(self.projection(torch.cat(views)), labels, temperature)
        graph = torch.arange(len(batch.counts)).repeat_interleave(_REBUILT_NODES)
        places = torch.rand(len(graph))
        starts = batch.counts.cumsum(0) - batch.counts
        chosen = starts[graph] + (places * batch.counts[graph]).long()
        rebuilt = self.decoder(views[0], graph, places)
        return contrastive, reconstruction_loss(rebuilt, nodes[chosen], temperature)


def train_encoder(
    families: Sequence[Sequence[GraphArrays]],
    config: TrainingConfig,
    folder: Path,
    report: Report | None = None,
) -> GraphEncoder:
    """Train the encoder, or go on from the state in ``folder``.

    Every step seeds its own randomness, so a resumed run gives what an uninterrupted one gives.

    Args:
        families: Unlabelled graphs of each family.
        config: Settings.
        folder: Where the state is kept.
        report: Called after each step with the step, the total and the losses.
    """
    torch.manual_seed(config.seed)
    model = UnsupervisedEncoder(GraphEncoder(EncoderConfig(attention=config.attention)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    state = TrainingState(model, optimizer)
    fingerprint = {**config.encoder_settings(), "graphs": [len(graphs) for graphs in families]}
    state.restore(folder, fingerprint)
    model.train()
    for step in range(state.step, config.encoder_steps):
        rng = np.random.default_rng([config.seed, step])
        torch.manual_seed(int(rng.integers(2**31)))
        chosen = draw([len(graphs) for graphs in families], config.batch, rng)
        graphs = [families[family][i] for family, members in enumerate(chosen) for i in members]
        progress = step / config.encoder_steps
        contrastive, rebuilt = model.losses(GraphBatch.collate(graphs), config, progress)
        loss = config.contrastive * contrastive + config.reconstruction * rebuilt
        state.descend(loss, config.learning_rate * warm_cosine(progress))
        if state.step % config.save_every == 0 or state.step == config.encoder_steps:
            state.save(folder, fingerprint)
        if report is not None:
            values = {"contrastive": float(contrastive.detach()), "reconstruction": float(rebuilt.detach())}
            report(state.step, config.encoder_steps, values)
    return model.encoder.eval()
