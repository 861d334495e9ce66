"""The correction for a user's own networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from assistant.helpers import make_predictor
from torch import nn

from nas_assistant.encoders import GraphArrays
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Adapter, Calibration, Predictor, Vocabulary, Widths, traits
from nas_assistant.predictors._adapter import GRID, Kernel

Array = npt.NDArray[np.float64]
KNOWN = Vocabulary(frozenset())


def networks(count: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Traits, what a predictor says, and a truth that it sees only half of."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 6))
    predicted = features[:, 0] + 0.1 * rng.normal(size=count)
    return features, predicted, 2.0 * predicted + np.sin(features[:, 1]) + 0.05 * rng.normal(size=count) - 3.0


def graph(width: int, activation: type[nn.Module] = nn.ReLU) -> GraphArrays:
    layers = [nn.Conv2d(3, width, 3, padding=1), activation(), nn.Conv2d(width, width, 3)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return GraphArrays.from_graph(ComputationalGraph.from_torch(module, torch.zeros(2, 3, 16, 16)))


def test_leaving_one_out_in_closed_form_is_a_refit() -> None:
    features, predicted, targets = networks(14)
    adapter, without = Adapter.fit(features, predicted, targets, KNOWN)
    line = adapter.level + adapter.slope * adapter.along
    for left in range(14):
        rest = np.delete(np.arange(14), left)
        refitted = line[left]
        for kernel in adapter.kernels:
            covariance = kernel(adapter.points, adapter.along, adapter.points, adapter.along)
            inner = covariance[np.ix_(rest, rest)] + kernel.noise * np.eye(13)
            solved = np.linalg.solve(inner, (targets - line)[rest])
            refitted += kernel.share * covariance[left, rest] @ solved
        assert without[left] == pytest.approx(refitted, abs=1e-9)


def test_a_kernel_is_its_formula() -> None:
    kernel = Kernel(line=2.0, linear=0.5, radial=0.7, length=1.5, noise=0.1)
    x, z = np.asarray([[1.0, 2.0]]), np.asarray([[0.0, 4.0]])
    expected = 1.0 + 2.0 * 3.0 * -1.0 + 0.5 * 8.0 + 0.7 * np.exp(-5.0 / (2 * 1.5**2))
    assert kernel(x, np.asarray([3.0]), z, np.asarray([-1.0]))[0, 0] == pytest.approx(expected)


def test_what_the_predictor_misses_is_learned() -> None:
    features, predicted, targets = networks(60)
    adapter, _ = Adapter.fit(features, predicted, targets, KNOWN)
    fresh, said, truth = networks(300, seed=1)
    errors = adapter(fresh, said) - truth
    assert np.abs(errors).mean() < 0.35 < 0.6 < np.abs(said - truth).mean()
    covered = np.mean(np.abs(errors) <= adapter.widths.accuracy)
    assert 0.82 < covered < 0.98
    assert sum(kernel.share for kernel in adapter.kernels) == pytest.approx(1.0)


def test_many_labels_are_all_used_though_few_weigh_the_kernels() -> None:
    features, predicted, targets = networks(400)
    adapter, without = Adapter.fit(features, predicted, targets, KNOWN)
    fresh, said, truth = networks(300, seed=1)
    fewer, _ = Adapter.fit(features[:60], predicted[:60], targets[:60], KNOWN)
    assert adapter.weights.shape == (len(adapter.kernels), 400) and len(adapter.kernels) < len(GRID)
    mean = np.abs(adapter(fresh, said) - truth).mean()
    assert mean < 0.6 * np.abs(fewer(fresh, said) - truth).mean()
    assert np.abs(without - targets).mean() == pytest.approx(mean, rel=0.2)


def test_ten_labels_of_noise_do_not_overrule_the_predictor() -> None:
    ranks = []
    for seed in range(20):
        features, predicted, _ = networks(10, seed)
        noise = np.random.default_rng(seed).normal(size=10)
        adapter, _ = Adapter.fit(features, predicted, predicted + 0.5 * noise, KNOWN)
        fresh, said, _ = networks(200, seed + 100)
        ranks.append(np.corrcoef(adapter(fresh, said), said)[0, 1])
    assert np.mean(ranks) > 0.9 and min(ranks) > 0.6


def test_networks_unlike_the_labelled_ones_are_unfamiliar() -> None:
    features, predicted, targets = networks(60)
    adapter, _ = Adapter.fit(features, predicted, targets, KNOWN)
    alike = adapter.familiarity(networks(300, seed=1)[0])
    assert 0.25 < np.median(alike) < 0.75 and alike.min() >= 0.0 and alike.max() <= 1.0
    assert adapter.familiarity(features + 50.0).max() < 1e-6


def test_the_intervals_become_those_of_the_labelled_networks() -> None:
    features, predicted, targets = networks(60)
    adapter, _ = Adapter.fit(features, predicted, targets, KNOWN)
    before = Calibration(Widths(0.1, 0.1, 1.0), Widths(9.0, 0.01, 0.25), (0.0, 1.0))
    after = adapter.calibration(before)
    assert after.familiar == adapter.widths and after.quantiles == before.quantiles
    assert after.unfamiliar == Widths(9.0, adapter.widths.gain, 0.25)


def adapted() -> tuple[Predictor, list[GraphArrays]]:
    predictor, graphs = make_predictor(), [graph(width) for width in range(8, 32, 2)]
    targets = np.linspace(-1.0, 1.0, len(graphs)) ** 3
    vocabulary = Vocabulary.of(graphs)
    adapter, _ = Adapter.fit(traits(graphs), predictor.base_targets(graphs), targets, vocabulary)
    return replace(predictor, adapter=adapter), graphs


def test_an_adapted_predictor_is_saved_and_loaded(tmp_path: Path) -> None:
    predictor, graphs = adapted()
    predictor.save(tmp_path)
    loaded = Predictor.load(tmp_path)
    assert loaded.predict_arrays(graphs) == predictor.predict_arrays(graphs)
    plain = replace(predictor, adapter=None)
    assert loaded.predict_arrays(graphs) != plain.predict_arrays(graphs)
    plain.save(tmp_path)
    assert Predictor.load(tmp_path).predict_arrays(graphs) == plain.predict_arrays(graphs)


def test_masked_graphs_are_corrected_too() -> None:
    predictor, graphs = adapted()
    masked = [graphs[5].masked([1]), graphs[5].masked([3, 4])]
    corrected, plain = (p.predict_arrays(masked) for p in (predictor, replace(predictor, adapter=None)))
    assert all(a.accuracy != b.accuracy for a, b in zip(corrected, plain, strict=True))
    assert all(0.0 <= a.accuracy <= 1.0 for a in corrected)


def test_kinds_of_nodes_of_the_labelled_networks_are_no_longer_unseen() -> None:
    predictor, _ = adapted()
    strange = graph(16, nn.GELU)
    assert predictor.predict_arrays([strange])[0].unseen == ("gelu",)
    assert predictor.adapter is not None
    kinds = predictor.adapter.vocabulary.kinds | Vocabulary.of([strange]).kinds
    knowing = replace(predictor.adapter, vocabulary=Vocabulary(kinds))
    assert replace(predictor, adapter=knowing).predict_arrays([strange])[0].unseen == ()


def test_traits_are_finite_and_tell_networks_apart() -> None:
    found = traits([graph(8), graph(16), graph(8, nn.GELU), graph(8).masked(range(7))])
    assert np.isfinite(found).all() and len(np.unique(found, axis=0)) == 4
    assert len(GRID) == len(set(GRID))
