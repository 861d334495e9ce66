"""How well classes are told apart without training a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SIDE = 32
_FILTERS, _KERNEL, _GRID, _FOLDS, _RIDGE = 64, 6, 2, 5, 1.0


def centroid_accuracy(images: Floats, labels: Integers, seed: int) -> float:
    """Cross-validated accuracy of the nearest class mean on pixels.

    Args:
        images: ``(n, C, H, W)``.
        labels: ``(n,)``.
        seed: Of the folds.
    """

    def classify(known: Floats, classes: Integers, asked: Floats) -> Integers:
        names = np.unique(classes)
        centres = np.stack([known[classes == name].mean(axis=0) for name in names])
        distances = (centres**2).sum(axis=1)[None] - 2 * asked @ centres.T
        return np.asarray(names[distances.argmin(axis=1)])

    return _cross_validated(images.reshape(len(images), -1), labels, seed, classify)


def probe_accuracy(images: Floats, labels: Integers, seed: int) -> float:
    """Cross-validated accuracy of a ridge classifier on random convolutional features.

    The features are those of Coates, Ng and Lee 2011 ("An Analysis of Single-Layer Networks in Unsupervised
    Feature Learning", section 3) with random filters: convolution, rectification, sums over quadrants.

    Args:
        images: ``(n, C, H, W)``; brought to three channels of 32 x 32.
        labels: ``(n,)``.
        seed: Of the filters and of the folds.
    """

    def classify(known: Floats, classes: Integers, asked: Floats) -> Integers:
        names = np.unique(classes)
        wanted = (classes[:, None] == names[None]).astype(np.float32)
        centre, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
        known, asked = (known - centre) / spread, (asked - centre) / spread
        gram = known @ known.T / known.shape[1] + _RIDGE * np.eye(len(known), dtype=np.float32)
        weights = np.linalg.solve(gram, wanted - wanted.mean(axis=0))
        scores = asked @ known.T @ weights / known.shape[1] + wanted.mean(axis=0)
        return np.asarray(names[scores.argmax(axis=1)])

    return _cross_validated(_features(as_pictures(images), seed), labels, seed, classify)


def as_pictures(images: Floats) -> torch.Tensor:
    """Images as ``(n, 3, 32, 32)``, every channel with mean 0 and variance 1 over the data."""
    values = torch.from_numpy(np.ascontiguousarray(images))
    values = values[:, :3] if values.shape[1] >= 3 else values[:, :1].expand(-1, 3, -1, -1)
    if values.shape[2:] != (SIDE, SIDE):
        values = functional.interpolate(values, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    centre, spread = values.mean(dim=(0, 2, 3), keepdim=True), values.std(dim=(0, 2, 3), keepdim=True)
    return (values - centre) / (spread + 1e-6)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Many small operations run faster on one thread, and much faster on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _features(pictures: torch.Tensor, seed: int) -> Floats:
    generator = torch.Generator().manual_seed(seed)
    filters = torch.randn(_FILTERS, 3, _KERNEL, _KERNEL, generator=generator)
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    parts = []
    with torch.no_grad():
        for start in range(0, len(pictures), 100):
            found = functional.conv2d(pictures[start : start + 100], filters)
            both = torch.cat([found.clamp_min(0), (-found).clamp_min(0)], dim=1)
            parts.append(functional.adaptive_avg_pool2d(both, _GRID).flatten(1).numpy())
    return np.concatenate(parts)


def _cross_validated(
    features: Floats, labels: Integers, seed: int, classify: Callable[[Floats, Integers, Floats], Integers]
) -> float:
    folds = np.random.default_rng(seed).permutation(len(labels)) % min(_FOLDS, len(labels))
    right = 0
    for fold in range(int(folds.max()) + 1):
        asked = folds == fold
        if asked.all():
            return 0.0
        right += int((classify(features[~asked], labels[~asked], features[asked]) == labels[asked]).sum())
    return right / len(labels)
