"""In the child: batches of the training images, the same for every model at a seed and an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

Array = np.ndarray[Any, Any]
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Samples:
    """The data of a verification, without the classes of the samples to measure on: the parent has those.

    Attributes:
        train_x: Samples to train on; images as bytes ``(N, C, H, W)``.
        train_y: Their class numbers.
        val_x: Samples to measure on.
        mean: Of each channel over the training images, in [0, 1]; None for what is no image.
        deviation: Likewise.
    """

    train_x: Array
    train_y: Array
    val_x: Array
    mean: Array | None
    deviation: Array | None

    @classmethod
    def read(cls, path: Path) -> Samples:
        """Read the file that the data's own job made."""
        arrays = load_file(path)
        train = arrays["train_x"]
        if train.dtype != np.uint8 or train.ndim != 4:
            return cls(**arrays, mean=None, deviation=None)
        some = train[:: max(1, len(train) // 2000)].astype(np.float32) / 255
        mean, deviation = some.mean(axis=(0, 2, 3)), some.std(axis=(0, 2, 3))
        return cls(**arrays, mean=mean, deviation=np.maximum(deviation, _FLOOR))

    def scaled(self, x: Array) -> Array:
        """Images at mean 0 and deviation 1 a channel; other samples as they are."""
        if self.mean is None or self.deviation is None:
            return x
        scaled: Array = (x.astype(np.float32) / 255 - self.mean[:, None, None]) / self.deviation[
            :, None, None
        ]
        return scaled


def resolved(augment: str, samples: Samples) -> str:
    """What ``auto`` means for some samples."""
    if samples.train_x.ndim != 4:
        return "none"
    if augment != "auto":
        return augment
    return "crop+flip" if samples.train_x.shape[1] == 3 else "crop"


def training_batches(
    samples: Samples, size: int, augment: str, seed: int, epoch: int
) -> Iterator[tuple[Array, Array]]:
    """Batches of one epoch, shuffled and augmented; a last one that is not full is left out."""
    rng = np.random.default_rng((seed, epoch))
    order, kind = rng.permutation(len(samples.train_x)), resolved(augment, samples)
    size = min(size, len(order))
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        x = samples.train_x[rows]
        if "flip" in kind:
            x = np.where(rng.random(len(x))[:, None, None, None] < 0.5, x[..., ::-1], x)
        x = samples.scaled(x)
        yield (_shifted(x, rng) if "crop" in kind else x), samples.train_y[rows]


def held_out_batches(samples: Samples, size: int) -> Iterator[Array]:
    """The samples to measure on, in order."""
    for start in range(0, len(samples.val_x), size):
        yield samples.scaled(samples.val_x[start : start + size])


def steps_per_epoch(samples: Samples, size: int) -> int:
    """Full batches in an epoch."""
    return len(samples.train_x) // min(size, len(samples.train_x))


def _shifted(x: Array, rng: np.random.Generator) -> Array:
    pads = [max(1, side // 8) for side in x.shape[2:]]
    padded = np.pad(x, ((0, 0), (0, 0), *((pad, pad) for pad in pads)))
    shifts = [rng.integers(0, 2 * pad + 1, len(x)) for pad in pads]
    out = np.empty_like(x)
    for row, (down, right) in enumerate(zip(*shifts, strict=True)):
        out[row] = padded[row, :, down : down + x.shape[2], right : right + x.shape[3]]
    return out
