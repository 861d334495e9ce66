"""In the child: trains a model for some epochs and tells each as it ends."""

from __future__ import annotations

import abc
import importlib
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from nas_assistant.errors import FailureKind
from nas_assistant.sources.sandboxed import JobFailure, kind_of, load_module, make_object, seed_all
from nas_assistant.verify._batches import Array, Samples, held_out_batches, steps_per_epoch, training_batches
from nas_assistant.verify._messages import pack

_WARM_UP = 0.05
_EVALUATED = 256


class Trainee(abc.ABC):
    """A model of one framework, with its optimiser."""

    @abc.abstractmethod
    def step(self, x: Array, y: Array, rate: float) -> float:
        """One step at a learning rate; gives the loss."""

    @abc.abstractmethod
    def scores(self, x: Array) -> Array:
        """Scores ``(N, classes)`` in evaluation mode; their largest is the class."""

    @abc.abstractmethod
    def state(self) -> dict[str, Array]:
        """Everything that the next epoch starts from."""

    @abc.abstractmethod
    def restore(self, state: dict[str, Array]) -> None:
        """Take what :meth:`state` gave."""


def run(job: dict[str, Any], tell: Callable[[bytes], None]) -> dict[str, Any]:
    """Train the model of ``job`` from the epoch of its state, or the first, to ``job["until"]``.

    Raises:
        JobFailure: The model cannot be built, or is no classifier of this data.
    """
    path, recipe, seed = Path(job["path"]), job["recipe"], int(job["seed"])
    samples = Samples.read(Path(job["samples"]))
    seed_all(seed)
    if job["root"]:
        sys.path.insert(0, job["root"])
    trainee = _trainee(make_object(load_module(path, job["source"]), job["entry"]), job, samples)
    done = 0
    if job["state"]:
        content = Path(job["state"]).read_bytes()
        state = load(content)
        done = int(state.pop("epoch")[0])
        trainee.restore(state)
    for epoch in range(done, job["until"]):
        seed_all(seed + 7919 * (epoch + 1))  # dropout goes on alike after a pause
        began = time.monotonic()
        loss = _epoch(trainee, samples, recipe, seed, epoch)
        classes = _classes(trainee, samples)
        facts = {
            "epoch": epoch + 1,
            "loss": loss if math.isfinite(loss) else None,
            "classes": classes.tolist(),
            "seconds": round(time.monotonic() - began, 3),
        }
        state = trainee.state() | {"epoch": np.array([epoch + 1])}
        tell(pack(facts, save({name: np.asarray(array, order="C") for name, array in state.items()})))
    return {}


def _trainee(model: Any, job: dict[str, Any], samples: Samples) -> Trainee:
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(model, torch.nn.Module):
        framework = "torch"
    elif keras is not None and isinstance(model, keras.Model):
        framework = "keras"
    else:
        name = Path(job["path"]).name
        message = f"{name}: {job['entry']} gives {kind_of(model)}, not an nn.Module or a keras.Model"
        raise JobFailure(FailureKind.IMPORT, message)
    module = importlib.import_module(f"nas_assistant.verify._train_{framework}")
    trainee: Trainee = module.make(model, job, samples)
    return trainee


def _epoch(trainee: Trainee, samples: Samples, recipe: dict[str, Any], seed: int, epoch: int) -> float:
    steps = steps_per_epoch(samples, recipe["batch_size"])
    losses = []
    batches = training_batches(samples, recipe["batch_size"], recipe["augment"], seed, epoch)
    for step, (x, y) in enumerate(batches):
        share = (epoch * steps + step + 0.5) / (recipe["epochs"] * steps)
        losses.append(trainee.step(x, y, recipe["learning_rate"] * schedule(share)))
        if not math.isfinite(losses[-1]):
            break  # the weights are gone; what is measured now is what this training gives
    return float(np.mean(losses))


def schedule(share: float) -> float:
    """Learning rate, as a share of the highest, after a share of all steps: warm-up, then a cosine."""
    if share < _WARM_UP:
        return share / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP)))


def _classes(trainee: Trainee, samples: Samples) -> Array:
    return np.concatenate([chosen_classes(trainee.scores(x)) for x in held_out_batches(samples, _EVALUATED)])


def chosen_classes(scores: Array) -> Array:
    """The class of each sample, as the model has it; -1 where it has none.

    A score of minus infinity is the logarithm of a probability of 0.
    """
    return np.where((scores < np.inf).all(axis=1), scores.argmax(axis=1), -1)


def output_kind(scores: Array) -> str:
    """What a classifier's first output is: ``logits``, ``log-probabilities`` or ``probabilities``."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return "probabilities"
    if (scores <= 0).all() and np.allclose(np.exp(scores).sum(axis=1), 1, atol=1e-3):
        return "log-probabilities"
    return "logits"


def check_scores(shape: tuple[int, ...], job: dict[str, Any]) -> None:
    """Whether an output ``(N, …)`` can say which of the data's classes it means.

    Raises:
        JobFailure: It cannot.
    """
    classes = int(job["classes"])
    if len(shape) != 2 or shape[1] < classes:
        gives = " x ".join(map(str, shape[1:])) or "a scalar"
        message = f"{Path(job['path']).name}: gives {gives} for a sample; the data has {classes} classes"
        raise JobFailure(FailureKind.SHAPE, message)
