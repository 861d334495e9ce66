"""The regressor: a mixture of experts that share weights, gated by the Gaussian mixture's posterior."""

from __future__ import annotations

import torch
from torch import nn


class MixtureOfExperts(nn.Module):
    """Predicts one number from a graph's vector (Mishra 2023, section 2.1.4).

    The gate is not learned: it is the posterior of the Gaussian mixture. An embedding of the gate is
    joined to the input. The experts share their weight matrices; each has its own scale and shift of the
    hidden units, and its own offset of the output.

    Args:
        width: Length of a graph's vector.
        experts: Number of experts, one a component.
        hidden: Hidden units.
        gate_width: Length of the gate's embedding.
        dropout: Probability on the hidden units.
        shared: Whether the experts share both weight matrices; otherwise each has its own second one.

    Shapes:
        - vectors: ``(graphs, width)``, gates: ``(graphs, experts)``
        - output: ``(graphs,)``
    """

    def __init__(
        self,
        width: int,
        experts: int,
        hidden: int = 256,
        gate_width: int = 32,
        dropout: float = 0.1,
        *,
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.gate = nn.Linear(experts, gate_width, bias=False)
        self.trunk = nn.Sequential(
            nn.Linear(width + gate_width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden if shared else hidden * experts),
        )
        self.scale = nn.Parameter(torch.ones(experts, hidden))
        self.shift = nn.Parameter(torch.zeros(experts, hidden))
        self.output = nn.Linear(hidden, 1)
        self.offset = nn.Parameter(torch.zeros(experts))

    def forward(self, vectors: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        """Weighted sum of every expert's output."""
        trunk = self.trunk(torch.cat([vectors, self.gate(gates)], dim=1))
        each = trunk.view(len(vectors), -1, self.output.in_features)
        hidden = torch.relu(each * self.scale + self.shift)
        outputs = self.output(hidden).squeeze(2) + self.offset
        return torch.as_tensor((gates * outputs).sum(dim=1))
