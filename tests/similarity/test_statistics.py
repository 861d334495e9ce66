from __future__ import annotations

import json

import numpy as np
import pytest

from nas_assistant.similarity import DataStatistics, Reference, compare, measure
from nas_assistant.similarity._statistics import spectrum_slope
from nas_assistant.sources import Samples


def _smooth(rng: np.random.Generator, count: int, side: int = 16, classes: int = 4) -> Samples:
    """Images whose class is a gradient's direction, with noise."""
    labels = rng.integers(classes, size=count)
    angle = labels * np.pi / classes
    rows, columns = np.mgrid[:side, :side] / side
    images = np.cos(angle)[:, None, None] * rows + np.sin(angle)[:, None, None] * columns
    images = (images + 0.02 * rng.standard_normal(images.shape) + 1) / 3
    values = np.repeat(images[:, None], 3, axis=1).clip(0, 1).astype(np.float32)
    return Samples(values, labels, (100,) * classes, (3, side, side))


@pytest.fixture(scope="module")
def smooth() -> DataStatistics:
    return measure(_smooth(np.random.default_rng(0), 120))


def test_figures_of_a_data_set(smooth: DataStatistics) -> None:
    assert (smooth.classes, smooth.images, smooth.channels, smooth.resolution) == (4, 400, 3, 16)
    assert smooth.entropy == pytest.approx(2)
    assert smooth.per_class == 30 and smooth.per_class_images == 100
    assert smooth.centroid > 0.8 and smooth.probe > 0.6
    assert all(len(scores) == 24 for scores in smooth.ranks.values())
    again = DataStatistics.from_json(json.loads(json.dumps(smooth.to_json())))
    assert again == smooth


def test_labels_without_meaning_cannot_be_told_apart() -> None:
    samples = _smooth(np.random.default_rng(0), 120)
    shuffled = np.random.default_rng(1).permutation(samples.labels)
    found = measure(Samples(samples.images, shuffled, samples.counts, samples.shape))
    assert found.centroid < 0.5 and found.probe < 0.5


def test_rare_classes_lower_the_entropy() -> None:
    samples = _smooth(np.random.default_rng(0), 40)
    found = measure(Samples(samples.images, samples.labels, (970, 10, 10, 10), samples.shape))
    assert found.entropy < 0.5


def test_normalised_values_tell_no_brightness() -> None:
    samples = _smooth(np.random.default_rng(0), 40)
    found = measure(Samples(samples.images * 4 - 2, samples.labels, samples.counts, samples.shape))
    assert found.means == found.spreads == ()


def test_the_slope_of_a_spectrum() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((50, 1, 32, 32)).astype(np.float32)
    assert spectrum_slope(noise) == pytest.approx(0, abs=0.2)
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None])
    frequency[0, 0] = 1
    pink = np.fft.ifft2(np.fft.fft2(noise) / frequency).real.astype(np.float32)
    assert spectrum_slope(pink) == pytest.approx(-2, abs=0.4)
    assert spectrum_slope(np.ones((2, 1, 8, 8), np.float32)) == 0


def test_a_data_set_is_near_another_sample_of_itself_and_far_from_noise(smooth: DataStatistics) -> None:
    reference = Reference(smooth, {10: smooth.probe, 30: smooth.probe})
    itself = compare(smooth, reference)
    assert itself.distance == pytest.approx(0, abs=1e-3) and itself.score == pytest.approx(1, abs=1e-3)
    other = compare(measure(_smooth(np.random.default_rng(1), 120)), reference)
    rng = np.random.default_rng(2)
    noise = Samples(
        rng.random((120, 1, 8, 8), dtype=np.float32), rng.integers(4, size=120), (25,) * 4, (1, 8, 8)
    )
    far = compare(measure(noise), reference)
    assert itself.distance < other.distance < 2 < far.distance
    assert far.parts["images a class"] == 2 and far.parts["resolution"] == 1
    assert far.parts["channels"] == pytest.approx(np.log2(3), abs=1e-3)
    assert far.score < 0.05 < other.score


def test_the_shipped_figures_are_those_of_cifar10() -> None:
    reference = Reference.load()
    known = reference.statistics
    assert (known.classes, known.images, known.channels, known.resolution) == (10, 50_000, 3, 32)
    assert list(reference.probes.values()) == sorted(reference.probes.values())
    assert reference.separation(5) < reference.separation(30) < reference.separation(1_000)
