"""Runs of several parents, several generators and several sandboxes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.assistant import Progress, Result, improve
from nas_assistant.assistant._check import Checker
from nas_assistant.errors import UserError
from nas_assistant.generators import Proposal, Request
from nas_assistant.predictors import Predictor
from nas_assistant.sources import Inspection, Sandbox

from .helpers import NET, RandomEdits

OPTIONS: dict[str, Any] = {"gain": 0.5, "max_iterations": 4, "proposals_per_iteration": 3, "seed": 1}
OPTIONS["search"] = "population"


class Useless(RandomEdits):
    """Proposes what is there already."""

    name = "useless"

    def propose(self, request: Request) -> list[Proposal]:
        return [Proposal(request.source, explanation=("nothing",))]


def _run(folder: Path, predictor: Predictor, **options: Any) -> Result:
    (folder / "model.py").write_text(NET)
    chosen: dict[str, Any] = {"generator": [RandomEdits(), Useless()], "predictor": predictor}
    return improve(folder / "model.py", run_dir=folder / "run", **chosen | OPTIONS | options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> Result:
    return _run(tmp_path_factory.mktemp("whole"), predictor, workers=1)


def test_rounds_go_on_from_the_best_and_from_others(whole: Result) -> None:
    assert whole.improved and whole.iterations == 4
    assert {entry.generator for entry in whole.history} <= {"random-edits", "useless"}
    for entry in whole.history:
        assert entry.parent < entry.number
        if entry.parent:
            assert whole.history[entry.parent - 1].failure is None
            assert whole.history[entry.parent - 1].iteration < entry.iteration


def test_neither_workers_nor_their_pace_decide_what_is_found(
    tmp_path: Path, predictor: Predictor, whole: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, pace = Checker.build, random.Random(0)

    def slow(self: Checker, source: str, sandbox: Sandbox) -> Any:
        time.sleep(pace.random() / 4)
        return build(self, source, sandbox)

    monkeypatch.setattr(Checker, "build", slow)
    result = _run(tmp_path, predictor, workers=3)
    assert result.history == whole.history and result.diff == whole.diff


def test_a_resumed_run_equals_a_whole_one(tmp_path: Path, predictor: Predictor, whole: Result) -> None:
    def stop(progress: Progress) -> None:
        if progress.candidate is not None and progress.candidate.number == len(whole.history) - 2:
            raise KeyboardInterrupt

    first = _run(tmp_path, predictor, progress=stop)
    assert first.stopped == "interrupted" and len(first.history) == len(whole.history) - 2
    result = _run(tmp_path, predictor, resume=True, workers=2)
    assert result.history == whole.history and result.diff == whole.diff


def test_a_proposal_is_built_while_the_next_is_asked_for(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, build = threading.Event(), Checker.build

    def told(self: Checker, source: str, sandbox: Sandbox) -> Inspection | Any:
        found = build(self, source, sandbox)
        built.set()
        return found

    class Waiting(RandomEdits):
        name = "waiting"

        def stream(self, request: Request) -> Iterator[Proposal]:
            first, *others = self.propose(request)
            yield first
            assert built.wait(120)
            yield from others

    monkeypatch.setattr(Checker, "build", told)
    result = _run(tmp_path, predictor, generator=Waiting(), max_iterations=1)
    assert len(result.history) == 3


def test_a_stream_that_breaks_off_is_taken_up_where_it_was(
    tmp_path: Path, predictor: Predictor, whole: Result
) -> None:
    class Breaking(RandomEdits):
        name = "random-edits"
        left = 1

        def stream(self, request: Request) -> Iterator[Proposal]:
            for proposal in self.propose(request):
                if self.left == 0:
                    raise UserError("the endpoint is gone")
                self.left -= 1
                yield proposal

    with pytest.raises(UserError, match="the endpoint is gone"):
        _run(tmp_path, predictor, generator=[Breaking(), Useless()])
    result = _run(tmp_path, predictor, resume=True)
    assert result.history == whole.history


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "luck"}, "--search luck: choose one of population, chain"),
        ({"workers": 0}, "--workers 0: at least 1"),
        ({"familiarity_margin": -1.0}, "--familiarity-margin -1: at least 0"),
        ({"generator": "mutate,mutate"}, "names 'mutate' twice"),
        ({"generator": "mutate,nope"}, "no generator 'nope'"),
        ({"generator": "mutate,openai", "generator_options": {"speed": 1}}, "takes --speed"),
    ],
)
def test_bad_options(tmp_path: Path, predictor: Predictor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _run(tmp_path, predictor, **options)
    assert not (tmp_path / "run").exists()


def test_each_generator_gets_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    from nas_assistant.assistant._generators import make_generators
    from nas_assistant.assistant._options import Options

    options = Options(generator="mutate, openai", generator_options={"guidance": "uniform", "model": "m"})
    first, second = make_generators(options)
    assert (first.name, second.name) == ("mutate", "openai")
    second.close()
