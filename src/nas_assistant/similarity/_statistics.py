"""What a data set is like, in figures that need no training and no download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_assistant.similarity._networks import network_scores
from nas_assistant.similarity._probe import centroid_accuracy, one_thread, probe_accuracy

if TYPE_CHECKING:
    from nas_assistant.sources import Samples

SAMPLES = 500
"""Images that are looked at."""


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """A data set in figures.

    Attributes:
        classes: Number of classes.
        images: Training images.
        entropy: Of the classes, in bits; ``log2(classes)`` when all are equally frequent.
        channels: Of an image.
        resolution: Geometric mean of height and width, in pixels.
        means: Of every channel, in [0, 1]; empty where the values are normalised already.
        spreads: Standard deviation of every channel; empty likewise.
        spectrum: Slope of the power spectrum, log power over log frequency: about -2 for photographs, 0 for
            noise (Field 1987, "Relations between the statistics of natural images", section 4).
        centroid: Accuracy of the nearest class mean on pixels, cross-validated.
        probe: Accuracy of a linear classifier on random convolutional features, cross-validated.
        per_class: Samples a class that the two saw.
        ranks: Scores of a fixed set of small untrained networks on the data, by name of the score.
    """

    classes: int
    images: int
    entropy: float
    channels: int
    resolution: float
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    spectrum: float
    centroid: float
    probe: float
    per_class: float
    ranks: dict[str, tuple[float, ...]]

    @property
    def per_class_images(self) -> float:
        """Training images a class, on average."""
        return self.images / self.classes

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DataStatistics:
        """Read what :meth:`to_json` wrote."""
        values = dict(data)
        for name in ("means", "spreads"):
            values[name] = tuple(values[name])
        values["ranks"] = {name: tuple(scores) for name, scores in values["ranks"].items()}
        return cls(**values)


def measure(samples: Samples, seed: int = 0) -> DataStatistics:
    """Statistics of a data set from samples of it.

    Args:
        samples: A few hundred labelled images; the first 500 are taken.
        seed: Of the random features, of the networks and of the folds; equal seeds make data sets comparable.
    """
    images, labels = samples.images[:SAMPLES], samples.labels[:SAMPLES]
    counts = np.asarray([count for count in samples.counts if count], dtype=np.float64)
    shares = counts / counts.sum()
    raw = images.min() >= 0.0 and images.max() <= 1.0
    axes = (0, 2, 3)
    with one_thread():
        probe, ranks = probe_accuracy(images, labels, seed), network_scores(images, seed)
    return DataStatistics(
        classes=len(counts),
        images=int(counts.sum()),
        entropy=float(-(shares * np.log2(shares)).sum()),
        channels=samples.shape[0],
        resolution=float(np.sqrt(samples.shape[1] * samples.shape[2])),
        means=_rounded(images.mean(axis=axes)) if raw else (),
        spreads=_rounded(images.std(axis=axes)) if raw else (),
        spectrum=spectrum_slope(images),
        centroid=centroid_accuracy(images, labels, seed),
        probe=probe,
        per_class=len(images) / len(counts),
        ranks=ranks,
    )


def spectrum_slope(images: npt.NDArray[np.float32]) -> float:
    """Slope of log power over log radial frequency, averaged over images ``(n, C, H, W)``."""
    height, width = images.shape[2:]
    if min(height, width) < 4:
        return 0.0
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    centred = images - images.mean(axis=(2, 3), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(axis=(0, 1))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    step = 1.0 / min(height, width)
    rings = np.round(radius / step).astype(int)
    numbers = range(1, int(0.5 / step) + 1)
    rows = [(number * step, float(power[rings == number].mean())) for number in numbers]
    rows = [row for row in rows if row[1] > 0]
    if len(rows) < 2:
        return 0.0
    frequency, mean = np.log(np.asarray(rows)).T
    return float(np.polyfit(frequency, mean, 1)[0])


def _rounded(values: Sequence[float] | npt.NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
