from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.assistant import Candidate, improve
from nas_assistant.assistant._constraints import make_constraints, parse_latency
from nas_assistant.assistant._costs import make_front, values
from nas_assistant.costs import dominates, memory_bytes
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Predictor

from .helpers import NET, Scripted

OBJECTIVES = ("accuracy", "latency", "params")


def _swap(old: str, new: str) -> Any:
    def change(source: str) -> str:
        assert old in source
        return source.replace(old, new)

    return change


_NARROW = _swap("nn.Conv2d(8, 8, 3, padding=1)", "nn.Conv2d(8, 8, 1)")
_GELU = _swap("nn.ReLU()", "nn.GELU()")
_DEEPER = _swap("        return", "        x = self.conv2(self.act1(x))\n        return")
_UNBIASED = _swap("nn.Linear(8, 10)", "nn.Linear(8, 10, bias=False)")


def _candidate(number: int, gain: float, latency: float, params: int, **values: Any) -> Candidate:
    return Candidate(
        number=number,
        iteration=1,
        parent=0,
        accuracy=0.8 + gain,
        trusted_gain=gain,
        latency=latency,
        latency_interval=(0.95 * latency, 1.05 * latency),
        parameters=params,
        flops=1,
        memory=1,
        **values,
    )


def test_the_front_is_of_what_was_measured_and_met_the_constraints() -> None:
    start = _candidate(0, 0.0, 1.0, 100)
    broken = Failure(FailureKind.CONSTRAINT, "too slow")
    candidates = [
        _candidate(1, 0.02, 1.02, 100),  # as fast as the start, within the noise, and better
        _candidate(2, -0.01, 0.5, 90),
        _candidate(3, 0.01, 1.2, 120),
        _candidate(4, 0.09, 0.1, 10, failure=broken),
        Candidate(number=5, iteration=1, parent=0, accuracy=0.99, trusted_gain=0.19, parameters=1, flops=1),
    ]
    front = make_front(start, candidates, OBJECTIVES)
    assert front is not None and [entry.number for entry in front.points] == [1, 2]
    assert front.hypervolume > 1
    assert make_front(start, [], OBJECTIVES) == type(front)(OBJECTIVES, start, (start,), 1.0)
    assert make_front(start, candidates, ()) is None


def test_a_gain_that_is_not_trusted_does_not_count() -> None:
    start = _candidate(0, 0.0, 1.0, 100)
    doubtful = _candidate(1, -0.2, 1.3, 100, familiarity=0.0)
    front = make_front(start, [doubtful], OBJECTIVES)
    assert front is not None and [entry.number for entry in front.points] == [0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("+10%", 0.011), ("-50%", 0.005), ("12ms", 0.012), ("800 us", 8e-4), ("1.5s", 1.5)]
)
def test_latency_limits(text: str, seconds: float) -> None:
    assert parse_latency(text, 0.01) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["12", "ms", "10%", "-100%", "0ms", "12 parsecs", ""])
def test_bad_latency_limits(text: str) -> None:
    with pytest.raises(UserError, match=r"--max-latency .*12ms"):
        parse_latency(text, 0.01)


def test_memory_limits(model: Path) -> None:
    graph = ComputationalGraph.from_file(model)
    limits = [make_constraints(graph, None, None, None, text).max_memory for text in ("+10%", "2MB", "1 KiB")]
    assert limits == [int(1.1 * memory_bytes(graph)), 2_000_000, 1024]
    with pytest.raises(UserError, match=r"--max-memory 4M: .*4MB"):
        make_constraints(graph, None, None, None, "4M")


def test_a_run_with_objectives_has_a_front(model: Path, predictor: Predictor) -> None:
    changes = [_NARROW, _GELU, _DEEPER, _UNBIASED]
    options: dict[str, Any] = {"proposals_per_iteration": 4, "max_iterations": 2, "run_dir": "run"}
    result = improve(
        model, predictor=predictor, objectives="accuracy,latency", generator=Scripted(changes), **options
    )
    assert result.stopped == "iterations", "a front alone does not end at the default gain"
    front = result.front
    assert front is not None and front.objectives == ("accuracy", "latency")
    measured = [entry for entry in result.history if entry.latency is not None]
    for entry in measured:
        low, high = entry.latency_interval or (0.0, 0.0)
        assert 0 < low <= (entry.latency or 0) <= high
    everyone = [front.start, *measured]
    points = [values(entry, front.objectives, front.start) for entry in everyone]
    chosen = {
        entry.number
        for entry, point in zip(everyone, points, strict=True)
        if not any(dominates(other, point) for other in points)
    }
    assert {entry.number for entry in front.points} == chosen
    cheap = ("accuracy", "params", "flops", "memory")
    assert all(entry.accuracy is not None for entry in result.history)
    for entry in result.history:
        before = [front.start, *(one for one in measured if one.number < entry.number)]
        beaten = any(
            dominates(values(one, cheap, front.start), values(entry, cheap, front.start)) for one in before
        )
        assert (entry.latency is None) == beaten
    found = json.loads((result.run_dir / "result.json").read_text())
    assert found["objectives"] == ["accuracy", "latency"] and found["hypervolume"] == front.hypervolume
    assert [point["candidate"] for point in found["front"]] == [entry.number for entry in front.points]
    page = (result.run_dir / "report.html").read_text()
    assert '<section id="front">' in page and "Predicted accuracy against latency" in page
    again = improve(model, predictor=predictor, generator=Scripted(), run_dir="run", resume=True)
    assert again.front == front, "the start is not measured anew"
    with pytest.raises(UserError, match="--objective accuracy,params: the run has accuracy,latency;"):
        improve(model, predictor=predictor, objectives="accuracy,params", run_dir="run", resume=True)


def test_what_is_too_slow_does_not_become_the_best(model: Path, predictor: Predictor) -> None:
    changes = [_NARROW, _GELU, _DEEPER, _UNBIASED]
    options: dict[str, Any] = {"proposals_per_iteration": 4, "max_iterations": 1, "run_dir": "run"}
    result = improve(
        model, predictor=predictor, max_latency="1us", gain=0.5, generator=Scripted(changes), **options
    )
    better = [entry for entry in result.history if (entry.trusted_gain or 0) > 0]
    assert better and not result.improved and result.best_source == NET
    for entry in result.history:
        failure = entry.failure
        if entry in better:
            assert failure is not None and failure.kind is FailureKind.CONSTRAINT
            assert "latency" in failure.message and "more than the limit of 1 µs" in failure.message
        else:
            assert failure is None and entry.latency is None, "only what would be the best is measured"


def test_too_much_memory(model: Path, predictor: Predictor) -> None:
    options: dict[str, Any] = {"proposals_per_iteration": 1, "max_iterations": 1, "run_dir": "run"}
    options["max_flops"] = None
    wider = _swap("nn.Conv2d(3, 8, 3, padding=1)", "nn.Conv2d(3, 8, 3, padding=9)")
    result = improve(model, predictor=predictor, max_memory="+10%", generator=Scripted([wider]), **options)
    failure = result.history[0].failure
    assert failure is not None and "of memory, more than the limit of" in failure.message


def test_a_run_without_a_proposal_says_what_to_do(model: Path, predictor: Predictor) -> None:
    result = improve(model, predictor=predictor, generator=Scripted(), max_iterations=1, run_dir="run")
    assert not result.improved and any("scripted found nothing to change" in note for note in result.notes)


def test_a_run_with_few_proposals_says_so(model: Path, predictor: Predictor) -> None:
    wider = _swap("nn.Conv2d(3, 8, 3, padding=1)", "nn.Conv2d(3, 8, 3, padding=1, bias=False)")
    options: dict[str, Any] = {"max_iterations": 3, "gain": 0.9, "run_dir": "run"}
    result = improve(model, predictor=predictor, generator=Scripted([wider]), **options)
    assert len(result.history) == 1
    assert any("scripted found nothing to change in 2 of 3 rounds" in note for note in result.notes)
