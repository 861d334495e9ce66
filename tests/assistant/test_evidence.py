"""The best candidates of a run, ranked by scores on the user's data."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas_assistant.assistant import Progress, Result, RunDirectory, _evidence, improve, read_run
from nas_assistant.assistant._search import Search
from nas_assistant.errors import UserError
from nas_assistant.evidence import PREDICTOR, Stacker, load_stacker
from nas_assistant.generators import LimitReached
from nas_assistant.predictors import Predictor
from nas_assistant.proxies import Fault, FaultKind, Score
from nas_assistant.reports._maps import _path_graphs

from .helpers import RandomEdits, write_data


@pytest.fixture
def data(model: Path) -> str:
    return f"{write_data(model, 80)}:data"


def _improve(model: Path, data: str, predictor: Predictor, **more: Any) -> Result:
    options = {"max_iterations": 2, "proposals_per_iteration": 6, "gain": 0.9, "run_dir": "run"} | more
    return improve(model, data=data, generator=RandomEdits(), predictor=predictor, report=False, **options)


def _weights(monkeypatch: pytest.MonkeyPatch, **weights: float) -> None:
    monkeypatch.setattr(_evidence, "load_stacker", lambda kind: Stacker(weights, 1.0))


def test_the_best_is_what_the_evidence_puts_first(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _weights(monkeypatch, params=1.0, naswot=1e-3)
    result = _improve(model, data, predictor, evidence="proxies")
    found = result.shortlist
    assert found is not None and result.improved and len(found.networks) >= 4
    ahead = [one for one in result.history if one.failure is None and (one.trusted_gain or 0) > 0]
    most = max(one.parameters or 0 for one in ahead)
    assert result.parameters[1] == most and result.history[found.best - 1].parameters == most
    assert all(one.values["naswot"] > 0 for one in found.networks)
    assert any("by params, naswot" in line for line in result.diff.splitlines() if line.startswith("#"))
    assert (result.run_dir / "best.py").read_text() == result.best_source
    with closing(RunDirectory(result.run_dir)) as run:
        assert read_run(run).best == found.best
    data_ = json.loads(json.dumps(result.to_json()))["evidence"]
    assert data_["networks"][0]["candidate"] == found.best and data_["kind"] == "proxies"


def test_records_and_maps_name_the_best_that_best_py_holds(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _weights(monkeypatch, params=-1.0)
    first = _improve(model, data, predictor, evidence="proxies")
    predicted = max(one.number for one in first.history if one.best)
    assert first.shortlist is not None and first.shortlist.best not in (0, predicted)
    chosen = first.history[first.shortlist.best - 1]
    assert [graph.hash for graph in _path_graphs(first.run_dir)][-1] == chosen.hash

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"resume": True, "max_iterations": 3, "progress": interrupt}
    again = _improve(model, data, predictor, evidence="proxies", **options)
    assert again.stopped == "interrupted" and again.history == first.history
    with closing(RunDirectory(again.run_dir)) as run:
        record = read_run(run)
    assert record.best == predicted
    best = (again.run_dir / "best.py").read_text()
    assert best == again.best_source and best.endswith(record.run.read_source(predicted))


def test_no_candidate_is_scored_when_the_time_is_over(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _weights(monkeypatch, params=1.0)
    choose = _evidence.Jury.choose

    def choose_late(jury: _evidence.Jury, pool: Any) -> Any:
        monkeypatch.setattr(Search, "check_time", over)
        return choose(jury, pool)

    def over(search: Search) -> None:
        raise LimitReached("seconds")

    monkeypatch.setattr(_evidence.Jury, "choose", choose_late)
    result = _improve(model, data, predictor, evidence="proxies", max_iterations=1)
    assert result.improved and result.shortlist is None
    assert any("the predictor alone chose the best" in note for note in result.notes)


def test_a_run_that_goes_on_asks_for_no_score_twice(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _improve(model, data, predictor, evidence="both")
    scored: list[str | None] = []
    score_file = _evidence.score_file

    def score(*args: Any, **options: Any) -> Any:
        scored.append(options["source"])
        return score_file(*args, **options)

    monkeypatch.setattr(_evidence, "score_file", score)
    again = _improve(model, data, predictor, evidence="both", resume=True)
    assert again.shortlist == first.shortlist and again.diff == first.diff
    assert scored == [model.read_text()]


def test_a_finished_run_can_be_asked_for_other_evidence(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _improve(model, data, predictor)
    assert first.shortlist is None
    _weights(monkeypatch, params=1.0)
    again = _improve(model, data, predictor, evidence="proxies", own_accuracy=0.4, resume=True)
    assert again.history == first.history
    assert again.shortlist is not None and again.shortlist.evidence == "proxies"
    assert again.own_data is not None


def _fake_scores(monkeypatch: pytest.MonkeyPatch, own: Score, other: Score, text: str) -> None:
    def score(*args: Any, source: str, **options: Any) -> Any:
        return SimpleNamespace(scores=[own if source == text else other])

    monkeypatch.setattr(_evidence, "score_file", score)


def test_the_users_own_model_may_come_out_first(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _weights(monkeypatch, naswot=1.0)
    _fake_scores(monkeypatch, Score("naswot", 2.0), Score("naswot", 1.0), model.read_text())
    result = _improve(model, data, predictor, evidence="proxies")
    assert result.shortlist is not None and result.shortlist.best == 0 and not result.improved
    assert any(one.best for one in result.history)
    assert not (result.run_dir / "best.py").exists() and not (result.run_dir / "best.diff").exists()
    with closing(RunDirectory(result.run_dir)) as run:
        assert read_run(run).best == 0


def test_a_proxy_that_says_nothing_of_the_users_model_does_not_count(
    model: Path, data: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _weights(monkeypatch, **{PREDICTOR: 1e-3, "naswot": 1.0})
    lost = Score("naswot", None, Fault(FaultKind.NOT_A_NUMBER, "the score is not a number"))
    _fake_scores(monkeypatch, lost, Score("naswot", 1.0), model.read_text())
    result = _improve(model, data, predictor, evidence="both")
    assert result.shortlist is not None and list(result.shortlist.weights) == [PREDICTOR]
    assert result.shortlist.best == max(one.number for one in result.history if one.best)
    assert "the proxy naswot is not counted: the score is not a number" in result.notes


def test_data_without_labels_ends_the_run_before_it_begins(
    model: Path, data: str, predictor: Predictor
) -> None:
    with pytest.raises(UserError, match="no labels"):
        _improve(model, data.replace(":data", ":bare"), predictor, evidence="both")
    assert _improve(model, data, predictor, evidence="both").shortlist is not None


def test_bad_options(model: Path) -> None:
    with pytest.raises(UserError, match=r"--evidence both needs --data"):
        improve(model, evidence="both")
    with pytest.raises(UserError, match=r"--evidence votes: choose one of predictor, proxies, both"):
        improve(model, evidence="votes", data="digits")


def test_the_shipped_stackers() -> None:
    both, alone = load_stacker("both"), load_stacker("proxies")
    assert set(both.weights) == {PREDICTOR, *alone.weights}
    assert both.weights[PREDICTOR] == max(both.weights.values())
    assert all(weight >= 0 for weight in (*both.weights.values(), *alone.weights.values()))
