from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.assistant import Options, Progress, Result, RunDirectory, improve, read_run
from nas_assistant.assistant._resume import choose_run
from nas_assistant.errors import UserError
from nas_assistant.generators import Proposal, Request
from nas_assistant.predictors import Predictor

from .helpers import NET, RandomEdits

OPTIONS: dict[str, Any] = {"gain": 0.5, "max_iterations": 3, "proposals_per_iteration": 3, "seed": 3}

ONE_ROUND: dict[str, Any] = OPTIONS | {"max_iterations": 1}

CHILD = """
import sys
sys.path.insert(0, {here!r})
from assistant.helpers import RandomEdits, make_predictor
from nas_assistant.assistant import improve
made = {{"generator": RandomEdits(), "predictor": make_predictor()}}
improve("model.py", run_dir="run", resume=True, **made, **{options!r})
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> Result:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "model.py").write_text(NET)
    options: dict[str, Any] = {"predictor": predictor, "run_dir": folder / "run"}
    result = improve(folder / "model.py", generator=RandomEdits(), **options, **OPTIONS)
    assert result.improved and result.history[-1].iteration == OPTIONS["max_iterations"]
    return result


def _resume(model: Path, predictor: Predictor, **options: Any) -> Result:
    chosen = {"generator": RandomEdits(), "predictor": predictor, "run_dir": "run", "resume": True}
    return improve(model, **chosen | options)  # type: ignore[arg-type]


def _same(result: Result, whole: Result) -> None:
    assert result.history == whole.history
    assert result.best_source == whole.best_source and result.diff == whole.diff
    assert result.prediction == whole.prediction
    assert (result.stopped, result.iterations) == (whole.stopped, whole.iterations)
    assert (result.run_dir / "best.py").read_text() == whole.best_source


def _stop_after(count: int) -> Any:
    def stop(progress: Progress) -> None:
        if progress.candidate is not None and progress.candidate.number == count:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_resumed_run_equals_a_whole_one(
    model: Path, predictor: Predictor, whole: Result, count: int
) -> None:
    first = improve(
        model,
        generator=RandomEdits(),
        predictor=predictor,
        run_dir="run",
        progress=_stop_after(count),
        **OPTIONS,
    )
    assert len(first.history) == count
    _same(_resume(model, predictor), whole)


def test_kill_9_loses_the_step_in_hand_alone(model: Path, predictor: Predictor, whole: Result) -> None:
    script = CHILD.format(here=str(Path(__file__).parents[1]), options=OPTIONS)
    events = Path("run/events.jsonl")
    for count in (1, 4):
        process = subprocess.Popen([sys.executable, "-c", script])
        deadline = time.monotonic() + 120
        while not events.exists() or events.read_bytes().count(b'"checked"') < count:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert events.read_bytes().count(b'"checked"') >= count
    _same(_resume(model, predictor), whole)


def test_a_line_that_was_cut_short_is_dropped(model: Path, predictor: Predictor, whole: Result) -> None:
    improve(
        model, generator=RandomEdits(), predictor=predictor, run_dir="run", progress=_stop_after(4), **OPTIONS
    )
    events = Path("run/events.jsonl")
    lines = events.read_bytes().splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if b'"checked"' in line)
    events.write_bytes(b"".join(lines[:last]) + lines[last][:40])
    Path("run/best.py").unlink(missing_ok=True)
    _same(_resume(model, predictor), whole)
    assert all(json.loads(line) for line in events.read_text().splitlines())


def test_a_damaged_line_in_the_middle_is_reported(model: Path, predictor: Predictor) -> None:
    improve(
        model, generator=RandomEdits(), predictor=predictor, run_dir="run", progress=_stop_after(1), **OPTIONS
    )
    events = Path("run/events.jsonl")
    events.write_text("what?\n" + events.read_text())
    with pytest.raises(UserError, match=r"events\.jsonl:1: not an event"):
        _resume(model, predictor)


def test_a_finished_run_can_be_given_more_rounds(model: Path, predictor: Predictor, whole: Result) -> None:
    improve(
        model, generator=RandomEdits(), predictor=predictor, run_dir="run", **OPTIONS | {"max_iterations": 1}
    )
    _same(_resume(model, predictor, max_iterations=3), whole)


def test_what_a_resumed_run_was_given_holds_for_the_next(model: Path, predictor: Predictor) -> None:
    improve(model, generator=RandomEdits(), predictor=predictor, run_dir="run", **ONE_ROUND)
    assert _resume(model, predictor, max_iterations=2).iterations == 2
    assert _resume(model, predictor, max_iterations=3, progress=_stop_after(7)).stopped == "interrupted"
    assert _resume(model, predictor).iterations == 3


def test_a_run_that_was_killed_when_it_went_on_has_not_ended(model: Path, predictor: Predictor) -> None:
    improve(model, generator=RandomEdits(), predictor=predictor, run_dir="run", **ONE_ROUND)
    with closing(RunDirectory(Path("run"))) as run:
        assert read_run(run).stopped == "iterations"
        run.log("resumed", checked=3)
        assert read_run(run).stopped is None


class _Failing(RandomEdits):
    def propose(self, request: Request) -> list[Proposal]:
        if self.requests:
            raise UserError("http://there: answered 500")
        return super().propose(request)


def test_a_generator_that_fails_hides_nothing_of_what_was_found(
    model: Path, predictor: Predictor, whole: Result
) -> None:
    with pytest.raises(
        UserError, match=r"answered 500; the best so far is run/best\.py, and --resume goes on"
    ):
        improve(model, generator=_Failing(), predictor=predictor, run_dir="run", **OPTIONS)
    assert Path("run/best.py").is_file()
    _same(_resume(model, predictor), whole)


def test_a_default_that_is_given_is_no_option_left_out() -> None:
    run = Options(max_iterations=3, evidence="both", data="digits", max_params="+10%")
    assert run.resumed(Options()) == run
    more = run.resumed(Options(), {"max_iterations", "evidence"})
    assert (more.max_iterations, more.evidence, more.max_params) == (10, "predictor", "+10%")
    assert run.resumed(Options(max_params="+10%"), {"max_params"}) == run
    with pytest.raises(UserError, match=r"--max-params \+100%: the run has \+10%; leave the option out"):
        run.resumed(Options(), {"max_params"})


def test_what_a_resumed_run_refuses(model: Path, predictor: Predictor) -> None:
    improve(
        model, generator=RandomEdits(), predictor=predictor, run_dir="run", **OPTIONS | {"max_iterations": 1}
    )
    with pytest.raises(UserError, match="--seed 9: the run has 3"):
        _resume(model, predictor, seed=9)
    with pytest.raises(UserError, match="--search population: the run has chain"):
        _resume(model, predictor, search="population")
    with pytest.raises(UserError, match="--seed 0: the run has 3; leave the option out to go on"):
        _resume(model, predictor, seed=0, explicit={"seed"})
    with pytest.raises(UserError, match="holds a run already"):
        _resume(model, predictor, resume=False)
    model.write_text(NET + "\n# changed\n")
    with pytest.raises(UserError, match="not the file that the run in run began with"):
        _resume(model, predictor)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["best.py", "original.py", "config.json"])
def test_files_that_are_no_run_s_are_never_replaced(
    model: Path, predictor: Predictor, name: str, resume: bool
) -> None:
    own = model.with_name(name)
    own.write_text('{"width": 16}')
    with pytest.raises(UserError, match=rf"holds files that a run would replace \({name}\): name another"):
        _resume(model, predictor, resume=resume, run_dir=model.parent)
    assert own.read_text() == '{"width": 16}'
    assert not (model.parent / "events.jsonl").exists()


def test_nothing_to_resume_begins_anew(model: Path, predictor: Predictor, whole: Result) -> None:
    result = _resume(model, predictor, **OPTIONS)
    assert any("no run to resume" in note for note in result.notes)
    _same(result, whole)


def test_without_a_folder_the_newest_run_is_resumed(model: Path, predictor: Predictor) -> None:
    first = improve(model, generator=RandomEdits(), predictor=predictor, **OPTIONS | {"max_iterations": 1})
    assert first.run_dir.parent == Path("nas-runs")
    second = _resume(model, predictor, run_dir=None)
    assert second.run_dir == first.run_dir and second.history == first.history
    other = model.parent / "other" / model.name
    other.parent.mkdir()
    other.write_text(NET.replace("the second", "another"))
    newest = improve(other, generator=RandomEdits(), predictor=predictor, **ONE_ROUND)
    assert newest.run_dir != first.run_dir
    assert _resume(model, predictor, run_dir=None).run_dir == first.run_dir


def test_runs_that_begin_in_one_second_have_folders_of_their_own(model: Path) -> None:
    folders = [choose_run(model, NET, Options(), None, False, ())[0] for _ in range(3)]
    assert len(set(folders)) == 3 and all(folder.is_dir() for folder in folders)


def test_a_run_that_does_not_begin_leaves_no_folder(model: Path, predictor: Predictor) -> None:
    model.write_text("x = 1\n")
    with pytest.raises(UserError):
        improve(model, generator=RandomEdits(), predictor=predictor)
    assert list(Path().iterdir()) == [Path("model.py")]


def test_two_processes_cannot_share_a_folder(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(UserError, match="another nas-assistant"):
        RunDirectory(tmp_path / "run")
    run.close()
    RunDirectory(tmp_path / "run").close()


def test_best_py_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path / "run")
    run.write_best("old\n", "")

    def fail(source: str, target: str) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        run.write_best("new\n" * 1000, "")
    assert (tmp_path / "run" / "best.py").read_text() == "old\n"
    assert not list((tmp_path / "run").glob("*.part")) and not list((tmp_path / "run").glob(".*.part"))
