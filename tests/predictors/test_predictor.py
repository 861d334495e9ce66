"""Loading, saving and asking a predictor."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas_assistant.encoders import GraphEncoder
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import (
    Calibration,
    GaussianMixture,
    MixtureOfExperts,
    Predictor,
    SizePrior,
    conformal_half_width,
    to_target,
)


def graph(width: int) -> ComputationalGraph:
    module = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )
    return ComputationalGraph.from_torch(module, torch.zeros(2, 3, 16, 16))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    encoder = GraphEncoder().eval()
    mixture = GaussianMixture(torch.randn(4, 512), torch.full((4,), -math.log(4)), 1.0)
    calibration = Calibration(0.02, 0.01, 0.06, tuple(float(q) for q in np.linspace(-2000, -500, 101)))
    prior = SizePrior((0.1, 0.1, 0.1), (20.0, 28.0, 4.0), 0.0)
    experts = MixtureOfExperts(512, 4).eval()
    return Predictor(encoder, mixture, experts, prior, calibration, {"note": "untrained"})


def test_a_saved_predictor_says_the_same(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "checkpoint")
    again = Predictor.load(tmp_path / "checkpoint")
    assert again.predict(graph(8)) == predictor.predict(graph(8))
    assert again.metadata["note"] == "untrained"
    assert sorted(p.name for p in (tmp_path / "checkpoint").iterdir()) == ["model.json", "model.safetensors"]


def test_many_are_predicted_as_one_by_one_and_in_order(predictor: Predictor) -> None:
    graphs = [graph(width) for width in (8, 64, 16, 32)]
    together = predictor.predict_many(graphs)
    for one, of_many in zip((predictor.predict(g) for g in graphs), together, strict=True):
        assert of_many.accuracy == pytest.approx(one.accuracy, abs=1e-5)
        assert of_many.interval[0] <= of_many.accuracy <= of_many.interval[1]
        assert sum(of_many.expert_weights) == pytest.approx(1.0, abs=1e-4)
    assert predictor.predict_many([]) == []


def test_masking_nothing_is_the_prediction_itself(predictor: Predictor) -> None:
    whole = predictor.predict(graph(8)).accuracy
    nothing, first = predictor.predict_masked(graph(8), [[], [1]])
    assert nothing == pytest.approx(whole, abs=1e-6) and first != nothing


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"\x80\x04K\x01."),
        ("model.safetensors", None),
        ("model.json", b'{"format": 99}'),
        ("model.json", b"not json"),
        ("model.json", b'{"format": 1}'),
    ],
)
def test_a_damaged_or_foreign_checkpoint_is_refused_in_one_line(
    predictor: Predictor, tmp_path: Path, name: str, content: bytes | None
) -> None:
    predictor.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError) as caught:
        Predictor.load(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_tensors_of_another_shape_are_refused(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path)
    data = json.loads((tmp_path / "model.json").read_text())
    data["encoder"]["branch"] = 128
    (tmp_path / "model.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="does not fit"):
        Predictor.load(tmp_path)


def test_a_missing_checkpoint_names_those_shipped() -> None:
    with pytest.raises(UserError, match="no such checkpoint"):
        Predictor.load("nowhere/at/all")


def test_conformal_widths_cover_new_residuals() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        width = conformal_half_width(rng.normal(size=200))
        covered.append(np.mean(np.abs(rng.normal(size=500)) <= width))
    assert 0.895 < float(np.mean(covered)) < 0.92


def test_unfamiliar_networks_get_wider_intervals() -> None:
    calibration = Calibration(0.02, 0.01, 0.06, tuple(float(q) for q in range(101)))
    assert calibration.familiarity(-5.0) == 0.0 and calibration.familiarity(1000.0) == 1.0
    widths = [calibration.half_width(f) for f in (0.0, 0.25, 0.375, 0.5, 0.9)]
    assert widths == pytest.approx([0.06, 0.06, 0.04, 0.02, 0.02])


def test_the_interval_of_a_gain_holds_the_gain(predictor: Predictor) -> None:
    before, after = predictor.predict_many([graph(8), graph(64)])
    low, high = predictor.gain_interval(before, after)
    assert low < after.accuracy - before.accuracy < high


def test_the_size_prior_never_falls() -> None:
    rng = np.random.default_rng(0)
    sizes = 2.0 ** rng.uniform(10, 20, size=(200, 3))
    targets = 0.2 * np.log2(sizes[:, 0]) - 0.3 * np.log2(sizes[:, 1]) + 0.1 * rng.normal(size=200)
    prior = SizePrior.fit(sizes, targets)
    assert min(prior.slopes) == 0.0 and prior.slopes[0] > 0.1
    assert (prior(2 * sizes) >= prior(sizes)).all()
    assert SizePrior.from_json(json.loads(json.dumps(prior.to_json()))) == prior


def test_a_prediction_is_experts_and_size_in_fixed_shares(predictor: Predictor) -> None:
    experts_alone, size_alone, mixed = (
        to_target(torch.tensor(accuracy, dtype=torch.float64))
        for accuracy in (replace_share(predictor, s).predict(graph(32)).accuracy for s in (0.0, 1.0, 0.4))
    )
    assert float(mixed) == pytest.approx(float(0.6 * experts_alone + 0.4 * size_alone), abs=1e-6)


def replace_share(predictor: Predictor, share: float) -> Predictor:
    return replace(predictor, size_prior=replace(predictor.size_prior, share=share))
