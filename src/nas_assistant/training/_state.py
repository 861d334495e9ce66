"""The state of a training run, saved so that a killed run goes on where it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.predictors import load_checkpoint, save_checkpoint


@dataclass
class TrainingState:
    """A module, its AdamW optimiser and the number of steps done.

    Attributes:
        module: What is trained.
        optimizer: Its optimiser.
        step: Steps done.
    """

    module: nn.Module
    optimizer: torch.optim.AdamW
    step: int = 0

    def descend(self, loss: torch.Tensor, rate: float) -> None:
        """One step down the gradient of ``loss``, clipped to norm 1, at this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1

    def save(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Write the state; ``fingerprint`` says what run it belongs to."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors.update({f"optimizer.{index}.{name}": value for name, value in values.items()})
        # beside the tensors, since a kill between the two files must not leave the step of other weights
        tensors["step"] = torch.tensor(self.step)
        save_checkpoint(folder, tensors, {"step": self.step, "run": fingerprint})

    def restore(self, folder: Path, fingerprint: dict[str, Any]) -> bool:
        """Read the state back.

        Returns:
            Whether there was one.

        Raises:
            UserError: It belongs to a run of other settings.
        """
        if not (folder / "model.json").is_file():
            return False
        tensors, metadata = load_checkpoint(folder)
        if metadata.get("run") != fingerprint:
            raise UserError(f"{folder}: belongs to a training run of other settings; choose another --out")
        prefix = "module."
        self.module.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                index, _, name = rest.partition(".")
                state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step = int(tensors.get("step", metadata["step"]))
        return True


def warm_cosine(progress: float, warm: float = 0.05) -> float:
    """Share of the highest learning rate: a short linear rise, then a cosine to 0."""
    rise = min((progress + 1e-3) / warm, 1.0)
    return rise * 0.5 * (1.0 + math.cos(math.pi * progress))


def draw(counts: Sequence[int], batch: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Places of the graphs of one step, of each family as many as of any other.

    Args:
        counts: Graphs of each family.
        batch: Graphs of the step.
        rng: Draws them, none twice.
    """
    share = max(batch // len(counts), 1)
    return [rng.choice(count, size=min(share, count), replace=False) for count in counts]
