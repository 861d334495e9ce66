from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from assistant.helpers import RandomEdits, make_predictor

from nas_assistant.assistant import RunDirectory, improve
from nas_assistant.errors import UserError
from nas_assistant.sources import Sandbox
from nas_assistant.verify import Contender, LabelStore, Recipe, read_contenders, read_subject, verify_run

from .conftest import Write

NET = '''\
"""A network for the tests."""

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.pool(self.act(self.conv(x))).flatten(1))
'''
RECIPE = Recipe(epochs=3, train_images=400, val_images=200, batch_size=16, learning_rate=1e-2)


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a search whose predictor knows nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(NET)
    improve(
        "model.py",
        data="digits",
        gain=0.9,
        max_iterations=1,
        generator=RandomEdits(),
        predictor=make_predictor(),
        proposals_per_iteration=5,
        run_dir=tmp_path / "run",
    )
    return tmp_path / "run"


@pytest.mark.slow
def test_the_candidates_of_a_run_are_trained_and_the_winner_is_verified(
    run_dir: Path, shared_sandbox: Sandbox
) -> None:
    pytest.importorskip("optuna", reason="needs the extra tune")
    predictor = make_predictor()
    contenders = read_contenders(run_dir, 3, predictor=predictor)
    assert contenders[0].number == 0 and contenders[0].gain == 0.0 and len(contenders) > 2
    assert all(one.deviation > 0 for one in contenders[1:])
    gains = [one.gain for one in contenders[1:]]
    assert gains == sorted(gains, reverse=True)
    settings = {"data": "digits", "top": 3, "seeds": 2, "recipe": RECIPE, "predictor": predictor}
    found = verify_run(run_dir, store=run_dir / "store", **settings)  # type: ignore[arg-type]
    assert {one.contender.number for one in found.standings} == {one.number for one in contenders}
    assert len(found.standings[0].accuracies) == 3
    assert found.best == found.standings[0].contender.number
    assert (found.verification is None) == (found.best == 0)
    if found.verification is not None and found.best_path is not None:
        assert found.verification.seeds == (1, 2), "the winner's seeds are fresh"
        assert found.best_path.read_text() == (run_dir / f"candidates/{found.best:04d}/model.py").read_text()
        assert found.holds == (found.verification.verdict.answer == "better")  # type: ignore[union-attr]
    rungs = {table.parent.name.split("e-")[0] for table in LabelStore(run_dir / "store").tables()}
    assert rungs == {"digits-1of3", "digits-3"}
    assert not list((run_dir / "verify").rglob("samples.safetensors"))
    again = verify_run(run_dir, store=None, **settings)  # type: ignore[arg-type]
    assert [one.accuracies for one in again.standings] == [one.accuracies for one in found.standings]


def test_another_budget_goes_to_another_folder(
    write: Write, tmp_path: Path, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="needs the extra tune")
    pair = [read_subject(write(f"{w}.py", w), data="digits", sandbox=shared_sandbox) for w in (64, 2)]
    contenders = (Contender(0, pair[0], 0.0, 0.0), Contender(1, pair[1], -0.5, 0.001))
    monkeypatch.setattr("nas_assistant.verify._verify_run.read_contenders", lambda *_, **__: contenders)
    for epochs in (1, 2):
        found = verify_run(tmp_path, data="digits", recipe=replace(RECIPE, epochs=epochs), store=None)
        assert found.best == 0 and found.stopped == "done"
    folders = [path.parent for path in (tmp_path / "verify").glob("*/config.json")]
    assert len(folders) == 2 and not list(tmp_path.rglob("samples.safetensors"))
    shutil.copytree(folders[0], tmp_path / "verify", dirs_exist_ok=True)
    recipe = Recipe(**json.loads((folders[0] / "config.json").read_text())["recipe"])
    shutil.rmtree(folders[0])
    verify_run(tmp_path, data="digits", recipe=recipe, store=None)
    assert not folders[0].exists(), "what lies in the folder for all goes on there"


def test_what_the_evidence_chose_is_trained_first(run_dir: Path) -> None:
    predictor = make_predictor()
    last = read_contenders(run_dir, 5, predictor=predictor)[-1].number
    with closing(RunDirectory(run_dir)) as run:
        run.log("chosen", candidate=last)
        (run_dir / "best.diff").touch()
    assert [one.number for one in read_contenders(run_dir, 1, predictor=predictor)] == [0, last]


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the folder of a run"):
        read_contenders(tmp_path, 3, predictor=make_predictor())
