from __future__ import annotations

import codecs
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.assistant import Candidate, Progress, Result, RunDirectory, _improve, improve
from nas_assistant.assistant._check import Checker
from nas_assistant.assistant._header import comment
from nas_assistant.assistant._search import Search
from nas_assistant.errors import FailureKind, UserError
from nas_assistant.generators import LimitReached, Proposal, Request
from nas_assistant.predictors import Predictor

from .helpers import NET, RandomEdits, Scripted, write_data

WIDER = ("nn.Conv2d(3, 8, 3, padding=1)", "nn.Conv2d(3, 16, 3, padding=1)")


def _change(*pairs: tuple[str, str]) -> Any:
    def change(source: str) -> str:
        for old, new in pairs:
            assert old in source
            source = source.replace(old, new)
        return source

    return change


_WIDEN = _change(WIDER, ("nn.Conv2d(8, 8", "nn.Conv2d(16, 8"))


def _run(model: Path, predictor: Predictor, **options: Any) -> Result:
    chosen = {"gain": 0.5, "max_iterations": 2, "proposals_per_iteration": 4, "run_dir": "run"}
    return improve(model, predictor=predictor, **{"report": False, **chosen, **options})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> tuple[Result, RandomEdits]:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "model.py").write_text(NET)
    generator = RandomEdits()
    options: dict[str, Any] = {"generator": generator, "run_dir": folder / "run", "search": "chain"}
    options.update(report=True, max_params=None, max_flops=None)
    return _run(folder / "model.py", predictor, **options), generator


def test_the_best_is_kept_and_its_files_agree(finished: tuple[Result, RandomEdits]) -> None:
    result, _ = finished
    assert result.improved and result.stopped == "iterations" and len(result.history) == 8
    known = [entry for entry in result.history if entry.accuracy is not None]
    assert result.prediction.accuracy == max(entry.accuracy or 0 for entry in known)
    assert result.gain > 0 and result.gain_interval[0] <= result.gain <= result.gain_interval[1]
    run = result.run_dir
    assert (run / "best.py").read_text() == result.best_source and (run / "report.html").is_file()
    assert (run / "best.diff").read_text() == result.diff
    assert json.loads((run / "result.json").read_text()) == result.to_json()
    assert result.best_source.splitlines()[0] == result.diff.splitlines()[0]
    assert result.diff.startswith("# NAS - Assist (Performance Gain 0.")
    assert all(": a test" in line for line in result.explanation)
    for line in result.explanation:
        assert "\n".join(comment(line)) in result.best_source


def test_a_byte_order_mark_stays(model: Path, predictor: Predictor) -> None:
    text = "from torch import nn\n\nact = nn.ReLU\n" + NET.replace("nn.ReLU()", "act()")
    model.write_bytes(codecs.BOM_UTF8 + text.encode())
    change = Scripted([_change(("act = nn.ReLU", "act = nn.SiLU"))])
    result = _run(model, predictor, generator=change, max_iterations=1, familiarity_margin=2.0)
    best, original, diff = (
        (result.run_dir / name).read_text(encoding="utf-8")
        for name in ("best.py", "original.py", "best.diff")
    )
    assert result.improved and original == f"\ufeff{text}" and best == f"\ufeff{result.best_source}"
    assert result.best_source.startswith("# NAS") and diff == result.diff
    assert " \ufefffrom torch import nn\n" in diff


def test_every_candidate_is_on_the_disk(finished: tuple[Result, RandomEdits]) -> None:
    result, _ = finished
    for entry in result.history:
        folder = result.run_dir / "candidates" / f"{entry.number:04d}"
        assert Candidate.from_json(json.loads((folder / "result.json").read_text())) == entry
        assert (folder / "graph.json").exists() == (entry.hash is not None)
        assert (folder / "model.py").exists() and (folder / "diff").exists()
    lines = (result.run_dir / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]
    asked = ["asked", *["checked"] * 4]
    assert [kind for kind in kinds if kind != "proposed"] == ["started", *asked, *asked, "finished"]
    assert kinds.count("proposed") == 2


def test_the_next_round_starts_from_the_best(finished: tuple[Result, RandomEdits]) -> None:
    result, generator = finished
    first, second = generator.requests
    best = [entry for entry in result.history if entry.iteration == 1 and entry.best][-1]
    assert second.source != first.source and second.accuracy == best.accuracy
    assert second.graph.hash == best.hash
    assert len(second.relevance) > 0 and second.relevance != first.relevance
    told = [(entry.edits, entry.accuracy, entry.trusted_gain, entry.failure) for entry in result.history[:4]]
    assert [(past.edits, past.accuracy, past.gain, past.failure) for past in second.history] == told
    assert not any(past.here for past in second.history)
    assert (first.seed, first.history) != (second.seed, second.history)


def test_the_next_round_is_told_what_counts_of_a_gain_in_doubt(model: Path, predictor: Predictor) -> None:
    generator = RandomEdits()
    run = _run(model, predictor, generator=generator, familiarity_margin=0.0)
    known, past = run.history[:4], generator.requests[1].history
    predicted = [(entry.accuracy or 0.0) - run.original_prediction.accuracy for entry in known]
    doubted = [
        number for number, entry in enumerate(known)
        if entry.trusted_gain is not None and entry.trusted_gain < predicted[number]
    ]  # fmt: skip
    assert doubted and [number for number, one in enumerate(past) if not one.trusted] == doubted
    for number in doubted:
        assert past[number].gain == known[number].trusted_gain


def test_the_file_as_it_is_is_unchanged_and_later_a_duplicate(finished: tuple[Result, RandomEdits]) -> None:
    failures = [entry.failure.kind for entry in finished[0].history if entry.failure]
    assert failures == [FailureKind.UNCHANGED, FailureKind.DUPLICATE]


def test_best_py_still_runs(finished: tuple[Result, RandomEdits]) -> None:
    subprocess.run([sys.executable, finished[0].run_dir / "best.py"], check=True, timeout=60)


def test_each_check_has_its_failure(model: Path, predictor: Predictor) -> None:
    changes = [
        _change(("super().__init__()", "super().__init__(")),
        _change(("from torch import nn", "from torch import nn, no_such_name")),
        _change(("nn.Linear(8, 10)", "nn.Linear(9, 10)")),
        _change(("nn.Linear(8, 10)", "nn.Linear(8, 11)")),
        _change(("# the second", "# another comment")),
        _WIDEN,
        _change((WIDER[0], WIDER[1]), ("nn.Conv2d(8, 8", "nn.Conv2d(16, 8"), ("# the second", "")),
        _change(("nn.ReLU()", "nn.GELU()")),
        _change(("self.act1(self.conv1(x))", "self.act1(self.conv1(x)).cumsum(1)")),
        _change(("class Net", "class Other")),
    ]
    options: dict[str, Any] = {"max_params": "+150%", "allow_ops": ["relu"], "max_iterations": 1}
    result = _run(
        model, predictor, generator=Scripted(changes), proposals_per_iteration=len(changes), **options
    )
    assert [entry.failure.kind.value if entry.failure else None for entry in result.history] == [
        "parse",
        "import",
        "shape",
        "shape",
        "unchanged",
        None,
        "duplicate",
        "constraint",
        "unsupported-op",
        "import",
    ]
    assert all(entry.failure.message for entry in result.history if entry.failure)


def test_too_many_parameters(model: Path, predictor: Predictor) -> None:
    options: dict[str, Any] = {"max_params": "+10%", "max_iterations": 1}
    result = _run(model, predictor, generator=Scripted([_WIDEN]), **options)
    failure = result.history[0].failure
    assert failure is not None and failure.kind is FailureKind.CONSTRAINT
    assert not result.improved and result.diff == "" and result.best_source == NET
    assert not (result.run_dir / "best.py").exists()


@pytest.mark.parametrize(
    ("limits", "turned_down"), [({}, True), ({"max_params": "none", "max_flops": None}, False)]
)
def test_candidates_are_at_most_twice_the_size_where_nothing_is_said(
    model: Path, predictor: Predictor, limits: dict[str, Any], turned_down: bool
) -> None:
    change = _change((WIDER[0], "nn.Conv2d(3, 64, 3, padding=1)"), ("nn.Conv2d(8, 8", "nn.Conv2d(64, 8"))
    (entry,) = _run(model, predictor, generator=Scripted([change]), max_iterations=1, **limits).history
    assert (entry.failure is not None) == turned_down


def test_a_generator_s_own_failure_is_recorded(model: Path, predictor: Predictor) -> None:
    class Failing(Scripted):
        def propose(self, request: Request) -> list[Proposal]:
            from nas_assistant.errors import Failure

            return [Proposal(request.source, failure=Failure(FailureKind.PARSE, "no code in the answer"))]

    result = _run(model, predictor, generator=Failing(), max_iterations=1)
    assert next(entry.failure for entry in result.history if entry.failure).message == "no code in the answer"


def test_the_run_ends_when_the_target_is_passed(model: Path, predictor: Predictor) -> None:
    result = _run(model, predictor, generator=RandomEdits(), gain=1e-9, max_iterations=9)
    assert result.stopped == "threshold" and result.iterations < 9
    assert not (result.run_dir / "report.html").exists()
    assert result.prediction.accuracy >= result.target > result.original_prediction.accuracy


def test_a_threshold_that_the_original_passes_ends_at_once(model: Path, predictor: Predictor) -> None:
    result = _run(model, predictor, generator=Scripted([_WIDEN]), gain=None, threshold=0.2)
    assert result.stopped == "threshold" and result.history == () and not result.improved


def test_an_earlier_header_is_replaced(model: Path, predictor: Predictor) -> None:
    first = _run(model, predictor, generator=RandomEdits(), max_iterations=1)
    model.write_text(first.best_source)
    second = _run(model, predictor, generator=RandomEdits(), run_dir="again", seed=5)
    assert second.improved
    assert second.best_source.count("(Performance Gain") == 1
    assert second.original_prediction == first.prediction


def test_ctrl_c_gives_the_best_so_far(model: Path, predictor: Predictor) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.iteration == 2:
            raise KeyboardInterrupt

    result = _run(model, predictor, generator=RandomEdits(), progress=interrupt)
    assert result.stopped == "interrupted" and result.improved and len(result.history) == 4
    assert (result.run_dir / "best.py").read_text() == result.best_source
    assert json.loads((result.run_dir / "result.json").read_text())["stopped"] == "interrupted"


@pytest.mark.parametrize("step", ["write_candidate", "write_best"])
def test_ctrl_c_just_after_a_candidate_was_checked(
    model: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = getattr(RunDirectory, step)

    def interrupted(run: RunDirectory, *values: Any) -> None:
        whole(run, *values)
        if step == "write_best" or values[0].best:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, step, interrupted)
    result = _run(model, predictor, generator=RandomEdits(), run_dir=model.parent / "run")
    assert result.stopped == "interrupted" and result.improved
    last = result.history[-1]
    assert last.best and result.prediction.accuracy == last.accuracy
    assert (result.run_dir / "best.py").read_text() == result.best_source


@pytest.mark.parametrize("data", [True, False])
def test_candidates_of_a_round_that_was_left_hold_nothing_up(
    model: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, data: bool
) -> None:
    begun, told, built, left = threading.Event(), threading.Event(), [], []
    tell, write, check_time = _improve._result, _improve.replace_json, Search.check_time

    def build(self: Checker, source: str, sandbox: Any) -> Any:
        built.append(source)
        begun.set()
        left.append(told.wait(20))
        raise AssertionError("never judged")

    def time_is_up(self: Search) -> None:
        check_time(self)
        if self.ledger.rounds:
            begun.wait(60)
            raise LimitReached("seconds")

    def result(*values: Any) -> Result:
        if data:  # what is read of it waits for the only sandbox
            told.set()
        return tell(*values)

    def write_down(path: Path, content: Any) -> None:
        write(path, content)
        if path.name == "result.json":
            told.set()

    monkeypatch.setattr(Checker, "build", build)
    monkeypatch.setattr(Search, "check_time", time_is_up)
    monkeypatch.setattr(_improve, "_result", result)
    monkeypatch.setattr(_improve, "replace_json", write_down)
    given = {"data": f"{write_data(model, 40)}:data"} if data else {}
    changes = [_change(("8, 8", f"8, {width}")) for width in (16, 24, 32, 40)]
    found = _run(model, predictor, generator=Scripted(changes), workers=1, **given)
    assert found.stopped == "seconds" and not found.history
    assert (found.own_data is not None) is data and len(built) == 1
    assert (found.run_dir / "result.json").is_file() and left == [True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.9, "gain": 0.1}, "not both"),
        ({"threshold": 1.5, "gain": None}, "at most 1"),
        ({"gain": -0.1}, "--gain"),
        ({"max_iterations": 0}, "--max-iterations"),
        ({"max_params": "lots"}, "--max-params"),
        ({"allow_ops": ["konv"]}, "--allow-ops konv"),
        ({"seed": -1}, "--seed -1: at least 0"),
        ({"seed": 2**64}, "--seed 18446744073709551616: .* less than"),
        ({"generator": "nope"}, "nope"),
        ({"checkpoint": "nowhere", "predictor": None}, "nowhere"),
    ],
)
def test_bad_options(model: Path, predictor: Predictor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        improve(model, **{"gain": 0.5, "predictor": predictor, "run_dir": "run"} | options)
    assert not Path("run").exists()


def test_a_graph_file_cannot_be_improved(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only a Python file"):
        improve(tmp_path / "model.onnx")
