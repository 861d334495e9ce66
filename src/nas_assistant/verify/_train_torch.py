"""In the child: one step of a PyTorch model, its scores and its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas_assistant.sources.run_torch import run_failure, tensors_in, unwrapped
from nas_assistant.verify._batches import Array, Samples
from nas_assistant.verify._loop import Trainee, check_scores, output_kind

_TINY = 1e-12


def make(model: nn.Module, job: dict[str, Any], samples: Samples) -> TorchTrainee:
    """Run a model once and give it an optimiser.

    Raises:
        JobFailure: It does not run, or is no classifier of this data.
    """
    model = unwrapped(model).eval()
    x = torch.from_numpy(samples.scaled(samples.val_x[:2]))
    path = Path(job["path"])
    try:
        with torch.no_grad():
            scores = _scores(model(x))
    except Exception as error:
        raise run_failure(error, path, x, "the forward pass") from error
    check_scores(tuple(scores.shape), job)
    return TorchTrainee(model, job["recipe"], path)


class TorchTrainee(Trainee):
    """A PyTorch model under AdamW."""

    def __init__(self, model: nn.Module, recipe: dict[str, Any], path: Path) -> None:
        self._model, self._path = model, path
        self._kind: str | None = None
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._parameters = trained
        # biases and the scales of normalisation are not decayed
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe["weight_decay"]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW([group for group in groups if group["params"]])

    def step(self, x: Array, y: Array, rate: float) -> float:
        """One step at a learning rate; gives the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._model.train()
        batch = torch.from_numpy(x)
        try:
            scores = _scores(self._model(batch))
            # not told in evaluation mode, in which some models end in a softmax that training has not
            self._kind = self._kind or output_kind(scores.detach().double().numpy())
            if self._kind == "probabilities":
                scores = torch.log(scores + _TINY)
            loss = (F.nll_loss if self._kind != "logits" else F.cross_entropy)(scores, torch.from_numpy(y))
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        except Exception as error:
            raise run_failure(error, self._path, batch, "a training step") from error
        return float(loss.detach())

    def scores(self, x: Array) -> Array:
        """Scores ``(N, classes)`` in evaluation mode."""
        self._model.eval()
        batch = torch.from_numpy(x)
        try:
            with torch.no_grad():
                return _scores(self._model(batch)).float().numpy()
        except Exception as error:
            raise run_failure(error, self._path, batch, "the forward pass") from error

    def state(self) -> dict[str, Array]:
        """Weights and buffers, and the optimiser's moments."""
        tensors = {f"model.{name}": value for name, value in self._tensors().items()}
        for index, parameter in enumerate(self._parameters):
            for key, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{index}.{key}"] = value
        return {name: value.detach().numpy() for name, value in tensors.items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Take what :meth:`state` gave."""
        own = self._tensors()
        with torch.no_grad():
            for name, array in state.items():
                value = torch.from_numpy(np.array(array))
                if name.startswith("model."):
                    own[name.removeprefix("model.")].copy_(value)
                else:
                    _, index, key = name.split(".")
                    self._optimizer.state[self._parameters[int(index)]][key] = value

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in self._model.state_dict().items() if torch.is_tensor(value)}


def _scores(output: Any) -> torch.Tensor:
    """The first tensor that a model gives, without the axes of length 1 behind it."""
    first = tensors_in(output)[0]
    return first.flatten(1) if first.ndim > 2 and first[0].numel() == first.shape[1] else first
