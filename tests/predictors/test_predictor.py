"""Loading, saving and asking a predictor."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas_assistant.encoders import STRUCTURE, GraphArrays, GraphEncoder
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import (
    Calibration,
    GaussianMixture,
    MixtureOfExperts,
    Predictor,
    StructurePrior,
    Vocabulary,
    Widths,
    conformal_half_width,
    to_target,
)
from nas_assistant.relevance import relevance


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
    quantiles = tuple(float(q) for q in np.linspace(-2000, -500, 101))
    calibration = Calibration(Widths(0.1, 0.12, 1.0), Widths(0.5, 0.4, 0.25), quantiles)
    prior = StructurePrior(tuple(0.1 * sign for sign in STRUCTURE.values()), (1.0,) * len(STRUCTURE), 0.0)
    vocabulary = Vocabulary.of([GraphArrays.from_graph(graph(8))])
    experts = MixtureOfExperts(512, 4).eval()
    return Predictor(encoder, mixture, experts, prior, vocabulary, calibration, {"note": "untrained"})


def test_a_saved_predictor_says_the_same(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "checkpoint")
    again = Predictor.load(tmp_path / "checkpoint")
    assert again.predict(graph(8)) == predictor.predict(graph(8))
    assert again.metadata["note"] == "untrained"
    assert sorted(p.name for p in (tmp_path / "checkpoint").iterdir()) == ["model.json", "model.safetensors"]


def test_what_is_no_graph_is_refused_with_the_call_that_makes_one(predictor: Predictor) -> None:
    told = r"give a ComputationalGraph, not Linear: ComputationalGraph.from_torch\(module, example\)"
    module: Any = nn.Linear(3, 4)
    for use in (predictor.predict, lambda given: relevance(given, predictor)):
        with pytest.raises(UserError, match=told):
            use(module)


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


def test_a_prior_of_other_statistics_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path)
    data = json.loads((tmp_path / "model.json").read_text())
    data["prior"]["slopes"].pop()
    (tmp_path / "model.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"does not fit this version .*train it anew"):
        Predictor.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("variance", 0.0), ("variance", math.nan), ("calibration", None), ("encoder", {"heads": 5})],
)
def test_parts_that_do_not_go_together_are_refused(
    predictor: Predictor, tmp_path: Path, name: str, value: Any
) -> None:
    predictor.save(tmp_path)
    data = json.loads((tmp_path / "model.json").read_text())
    data[name] = {**data[name], **value} if isinstance(value, dict) else value
    (tmp_path / "model.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="does not fit this version"):
        Predictor.load(tmp_path)


def test_a_checkpoint_in_the_current_folder(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor.save(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert Predictor.load(".").metadata == Predictor.load(tmp_path).metadata


@pytest.mark.parametrize("name", ["all", "nb101"])
def test_no_slope_of_a_shipped_prior_has_the_other_sign(name: str) -> None:
    slopes = Predictor.load(name).prior.slopes
    assert all(slope * sign >= 0 for slope, sign in zip(slopes, STRUCTURE.values(), strict=True))
    assert any(slopes)


def test_a_missing_checkpoint_names_those_shipped() -> None:
    with pytest.raises(UserError, match="no such checkpoint"):
        Predictor.load("nowhere/at/all")


def test_conformal_widths_cover_new_residuals() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        width = conformal_half_width([rng.normal(size=200)])
        covered.append(np.mean(np.abs(rng.normal(size=500)) <= width))
    assert 0.895 < float(np.mean(covered)) < 0.92


def test_families_count_alike_in_a_width() -> None:
    near, far = np.full(1000, 0.1), np.full(10, 0.5)
    assert conformal_half_width([near, far]) == 0.5  # a tenth is not covered by 0.1, in half of the weight
    assert conformal_half_width([near]) == 0.1
    scale = to_target(torch.tensor([0.0, 1.0]))
    assert conformal_half_width([]) == pytest.approx(float(scale[1] - scale[0]))  # nothing is known


def test_unfamiliar_networks_get_wider_intervals_and_less_of_the_experts() -> None:
    quantiles = tuple(float(q) for q in range(101))
    calibration = Calibration(Widths(0.1, 0.12, 1.0), Widths(0.5, 0.4, 0.2), quantiles)
    assert calibration.percentile([-5.0, 50.0, 1000.0]).tolist() == [0.0, 0.5, 1.0]
    found = [calibration.widths(familiarity) for familiarity in (0.0, 0.05, 0.15, 0.25, 0.9)]
    assert [w.accuracy for w in found] == pytest.approx([0.5, 0.5, 0.3, 0.1, 0.1])
    assert [w.gain for w in found] == pytest.approx([0.4, 0.4, 0.26, 0.12, 0.12])
    assert [w.share for w in found] == pytest.approx([0.2, 0.2, 0.6, 1.0, 1.0])
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_kinds_of_nodes_never_seen_are_named_and_unfamiliar(predictor: Predictor) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 8, 5), nn.ReLU())
    strange = ComputationalGraph.from_torch(module, torch.zeros(2, 3, 16, 16))
    prediction = predictor.predict(strange)
    assert prediction.familiarity == 0.0
    assert set(prediction.unseen) == {"gelu", "conv 5x5"}
    assert predictor.predict(graph(64)).unseen == ()


def test_sizes_that_count_alike_are_named_together(predictor: Predictor) -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, (2, 20)), nn.Conv2d(8, 8, (8, 3), stride=6), nn.ReLU())
    strange = ComputationalGraph.from_torch(module, torch.zeros(2, 1, 32, 64))
    assert set(predictor.predict(strange).unseen) == {"conv 2x8+", "conv 8+x3 stride 4+"}


def test_the_interval_of_a_gain_holds_the_gain(predictor: Predictor) -> None:
    before, after = predictor.predict_many([graph(8), graph(64)])
    low, high = predictor.gain_interval(before, after)
    assert low < after.accuracy - before.accuracy < high


def test_the_slopes_of_the_structure_prior_never_turn() -> None:
    rng = np.random.default_rng(0)
    signs = np.asarray(list(STRUCTURE.values()))
    statistics = rng.normal(size=(300, len(STRUCTURE)))
    truth = np.where(np.arange(len(signs)) % 2, signs, -signs) * 0.3  # every other slope is against the sign
    targets = statistics @ truth + 0.1 * rng.normal(size=300)
    prior = StructurePrior.fit([statistics], [targets])
    slopes = np.asarray(prior.slopes)
    assert (slopes * signs >= 0.0).all()
    assert (np.abs(slopes[1::2]) > 0.05).all() and (np.abs(slopes[::2]) < 0.05).all()
    assert prior(np.asarray(prior.centre)[None]) == pytest.approx(np.median(targets))
    assert StructurePrior.from_json(json.loads(json.dumps(prior.to_json()))) == prior


def test_the_levels_of_families_do_not_bend_the_slopes() -> None:
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(200, len(STRUCTURE)))
    targets = statistics[:, 0]
    shifted = statistics.copy()
    shifted[:, 0] += 10.0
    alone = StructurePrior.fit([statistics], [targets])
    both = StructurePrior.fit([statistics, shifted], [targets, targets - 5.0])
    assert both.slopes == pytest.approx(alone.slopes, abs=1e-6)
    assert both.intercept == pytest.approx(alone.intercept - 2.5)


def test_a_prediction_is_experts_and_structure_in_shares(predictor: Predictor) -> None:
    structure_alone, experts_alone, mixed = (
        to_target(torch.tensor(with_share(predictor, share).predict(graph(32)).accuracy, dtype=torch.float64))
        for share in (0.0, 1.0, 0.4)
    )
    assert float(mixed) == pytest.approx(float(0.4 * experts_alone + 0.6 * structure_alone), abs=1e-6)


def with_share(predictor: Predictor, share: float) -> Predictor:
    calibration = predictor.calibration
    familiar, unfamiliar = (
        replace(calibration.familiar, share=share),
        replace(calibration.unfamiliar, share=share),
    )
    return replace(predictor, calibration=replace(calibration, familiar=familiar, unfamiliar=unfamiliar))
