"""What the learned baselines share: standardised labels, epochs of steps, scoring in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, Progress
from nas_assistant.training import GraphSet

_BATCH_NODES = 8_192


@dataclass(frozen=True)
class Labels:
    """Accuracies brought to mean 0 and deviation 1, and the way back.

    Attributes:
        values: ``(networks,)``, float32.
        mean: Of the accuracies.
        deviation: Of the accuracies.
    """

    values: torch.Tensor
    mean: float
    deviation: float

    @classmethod
    def of(cls, sets: Sequence[GraphSet]) -> Labels:
        """Labels of all networks of these sets, in their order."""
        accuracies = np.concatenate([one.accuracies for one in sets])
        mean, deviation = float(accuracies.mean()), max(float(accuracies.std()), 1e-9)
        return cls(torch.from_numpy(((accuracies - mean) / deviation).astype(np.float32)), mean, deviation)

    def accuracies(self, values: Array) -> Array:
        """Accuracies of standardised values; not cut to [0, 1], which would tie some of them."""
        return np.asarray(self.mean + self.deviation * values)


def all_graphs(sets: Sequence[GraphSet]) -> list[GraphArrays]:
    """Graphs of all sets, in their order."""
    return [graph for one in sets for graph in one.graphs]


def descend(
    module: nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    count: int,
    *,
    stage: str,
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Adam over shuffled batches (Kingma and Ba 2015), gradients clipped to norm 5; leaves evaluation mode.

    Args:
        module: What is trained.
        loss: Of the examples at these indices.
        count: Number of examples.
        stage: Name of the stage for ``progress``.
        epochs: Passes over the examples.
        batch: Examples of a step.
        rate: Learning rate.
        seed: Of the order and of the dropout.
        progress: See :data:`Progress`.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    module.train()
    for epoch in range(epochs):
        for chosen in torch.split(torch.randperm(count, generator=generator), batch):
            optimizer.zero_grad()
            torch.autograd.backward(loss(chosen))
            nn.utils.clip_grad_norm_(module.parameters(), 5.0)
            optimizer.step()
        if progress is not None:
            progress(stage, epoch + 1, epochs)
    module.eval()


def batches(graphs: Sequence[GraphArrays]) -> Iterator[list[int]]:
    """Indices of graphs of about one size, within a budget of nodes."""
    batch: list[int] = []
    for index in sorted(range(len(graphs)), key=lambda i: len(graphs[i])):
        if batch and (len(batch) + 1) * len(graphs[index]) > _BATCH_NODES:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
