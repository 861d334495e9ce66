"""A fixed set of small untrained networks, ranked by what they make of the data."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas_assistant.similarity._probe import as_pictures

NETWORKS, BATCH = 24, 64


class Block(nn.Module):
    """A convolution with its normalisation and activation, with or without a shortcut.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, activation: type[nn.Module], skip: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(outputs), activation()
        self.skip = skip and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps of feature maps."""
        found: Tensor = self.activation(self.norm(self.conv(x)))
        return x + found if self.skip else found


def network_scores(images: npt.NDArray[np.float32], seed: int = 0) -> dict[str, tuple[float, ...]]:
    """Two training-free scores of every network of the fixed set.

    Args:
        images: ``(n, C, H, W)``; the first 64 are taken.
        seed: Of the networks and their weights; equal seeds give equal networks.

    Returns:
        ``naswot``, the log-determinant of the kernel of activation patterns (Mellor et al. 2021, "Neural
        Architecture Search without Training", section 3), and ``jacov``, which scores how little the input
        gradients of different images correlate (the same, first version, section 3).
    """
    batch = as_pictures(images[:BATCH])
    found = [_scores(_network(seed, number), batch) for number in range(NETWORKS)]
    return {name: tuple(round(score[name], 5) for score in found) for name in ("naswot", "jacov")}


def _network(seed: int, number: int) -> nn.Module:
    rng = random.Random(f"{seed}:{number}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        inputs = 3
        for stage in range(rng.randint(1, 3)):
            width = rng.choice((4, 6, 8, 12)) * 2**stage
            for _ in range(rng.randint(1, 3)):
                activation = rng.choice((nn.ReLU, nn.ReLU, nn.Hardswish, nn.Tanh))
                layers.append(Block(inputs, width, rng.choice((1, 3, 5)), activation, rng.random() < 0.5))
                inputs = width
            layers.append(rng.choice((nn.MaxPool2d, nn.AvgPool2d))(2))
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def _scores(network: nn.Module, batch: Tensor) -> dict[str, float]:
    patterns: list[Tensor] = []
    hooks = [
        part.norm.register_forward_hook(
            lambda _, __, output: patterns.append((output > 0).flatten(1).float())
        )
        for part in network.modules()
        if isinstance(part, Block)
    ]
    x = batch.clone().requires_grad_()
    network.train()(x).sum().backward()
    for hook in hooks:
        hook.remove()
    assert x.grad is not None
    kernel = sum((p @ p.T + (1 - p) @ (1 - p).T for p in patterns), torch.zeros(len(batch), len(batch)))
    values = torch.linalg.eigvalsh(torch.corrcoef(x.grad.flatten(1)).nan_to_num(0.0).double())
    values = values.clamp_min(0.0) + 1e-5
    return {
        "naswot": float(torch.linalg.slogdet(kernel.double() + 1e-3 * torch.eye(len(batch))).logabsdet),
        "jacov": float(-(values.log() + 1 / values).sum()),
    }
