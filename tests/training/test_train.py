"""The recipe on a few real networks: whole, resumed, and refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.evaluation import evaluate, unseen_networks
from nas_assistant.families import find_data_root, get_family
from nas_assistant.predictors import Predictor
from nas_assistant.training import TrainingConfig, load_graphs, split, train

CONFIG = TrainingConfig(
    networks=60,
    held_out=20,
    encoder_steps=4,
    supervised_steps=4,
    batch=8,
    components=3,
    save_every=1,
    interval_families=(),
)
TABLE = find_data_root() / "nb101.csv.gz"

pytestmark = [
    pytest.mark.labels,
    pytest.mark.skipif(not TABLE.is_file(), reason=f"label table {TABLE} is missing"),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    load_graphs("nb101", get_family("nb101").networks(limit=60, seed=0), cache_dir=folder, workers=1)
    return folder


def tensors(predictor: Predictor) -> list[torch.Tensor]:
    return [*predictor.encoder.state_dict().values(), *predictor.experts.state_dict().values()]


def test_training_writes_a_checkpoint_that_loads_and_evaluates(cache: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    trained = train(
        tmp_path / "run", CONFIG, cache_dir=cache, progress=lambda stage, *rest: stages.append(stage)
    )
    assert list(dict.fromkeys(stages)) == ["graphs", "encoder", "fine-tuning", "vectors", "experts"]
    loaded = Predictor.load(tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(tensors(trained), tensors(loaded), strict=True))
    data = loaded.metadata["data"]
    assert data["families"] == {"nb101": 48} and data["held_out"] == {"nb101": 12}  # a fifth at most
    assert loaded.metadata["seed"] == 0 and loaded.metadata["version"]
    (result,) = evaluate("nb101", loaded, networks=30, cache_dir=cache, workers=1)
    assert result.networks == 30 and result.rows[0].scorer == "random"
    seen = {network.key for network in get_family("nb101").networks(limit=60, seed=0)}
    fresh = {network.key for network in get_family("nb101").networks(limit=90, seed=0)} - seen
    assert len(fresh) == 30  # what the evaluation draws from


def test_what_is_held_out_was_not_learned_as_another_network(cache: Path) -> None:
    graphs = load_graphs("nb101", get_family("nb101").networks(limit=60, seed=0), cache_dir=cache)
    twice = graphs.subset([*range(60), *range(30)])
    learned, calibrating, testing = split(twice, CONFIG)
    held_out = {*calibrating.contents, *testing.contents}
    assert len(learned) == 72 and 0 < len(held_out) < 18 and held_out.isdisjoint(learned.contents)


def test_too_few_networks_of_their_own_are_refused_before_the_training(cache: Path) -> None:
    graphs = load_graphs("nb101", get_family("nb101").networks(limit=60, seed=0), cache_dir=cache)
    with pytest.raises(UserError, match="nb101: 0 of the 12 networks held out have a graph of their own"):
        split(graphs.subset([0] * 60), CONFIG)


def test_what_is_unseen_is_no_other_encoding_of_what_was_learned() -> None:
    family = get_family("nb201")
    if not (find_data_root() / family.table).is_file():
        pytest.skip(f"no label table {family.table}")
    config = {"families": ["nb201"], "networks": 1000, "sample_seed": 0}
    predictor = SimpleNamespace(metadata={"config": config})
    unseen = unseen_networks("nb201", predictor, None, 0, None)
    forms = {family.identity_of(one) for one in family.networks(limit=1000, seed=0)}
    assert 5_000 < len(unseen) < 14_625 and forms.isdisjoint(map(family.identity_of, unseen))
    predictor.metadata["config"] = {"families": ["nb201"]}
    with pytest.raises(UserError, match="does not say which networks of nb201"):
        unseen_networks("nb201", predictor, None, 0, None)


def test_a_killed_training_goes_on_and_ends_as_if_uninterrupted(cache: Path, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", CONFIG, cache_dir=cache)
    script = (
        "import pathlib, sys; from nas_assistant.training import TrainingConfig, train; "
        f"train(sys.argv[1], {CONFIG!r}, cache_dir=pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed"), str(cache)]
    process = subprocess.Popen(command)
    saved = tmp_path / "killed" / "state" / "unsupervised" / "model.json"
    deadline = time.monotonic() + 60
    while not saved.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert saved.exists() and not (tmp_path / "killed" / "model.json").exists()
    resumed = train(tmp_path / "killed", CONFIG, cache_dir=cache)
    for ours, theirs in zip(tensors(whole), tensors(resumed), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_folder_of_other_settings_is_refused(cache: Path, tmp_path: Path) -> None:
    train(tmp_path, CONFIG, cache_dir=cache)
    with pytest.raises(UserError, match="other settings"):
        train(tmp_path, TrainingConfig(**{**CONFIG.to_json(), "batch": 9}), cache_dir=cache)


def test_a_damaged_shard_is_extracted_again(cache: Path) -> None:
    networks = get_family("nb101").networks(limit=60, seed=0)
    before = load_graphs("nb101", networks, cache_dir=cache, workers=1)
    for shard in (cache / "nb101").glob("*.safetensors"):
        shard.write_bytes(shard.read_bytes()[:1000])
    after = load_graphs("nb101", networks, cache_dir=cache, workers=1)
    assert all((a.sizes == b.sizes).all() for a, b in zip(before.graphs, after.graphs, strict=True))
    parameters = [network.metadata["trainable_parameters"] for network in networks]
    assert after.statistics[:, 0].tolist() == parameters
