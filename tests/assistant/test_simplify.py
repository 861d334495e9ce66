"""A best file keeps no change that the prediction does not need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas_assistant.assistant import Result, improve
from nas_assistant.assistant._ledger import SIMPLIFIED
from nas_assistant.generators import LimitReached, Proposal, Request
from nas_assistant.predictors import Predictor

from .helpers import NET, Scripted

UNUSED = "\n\ndef unused():\n    return 1\n"


class Limited(Scripted):
    """Reaches a limit with the first question after its rounds."""

    def propose(self, request: Request) -> list[Proposal]:
        if not self.rounds:
            raise LimitReached("usd")
        return super().propose(request)


class CutOff(Scripted):
    """Reaches a limit within its last round."""

    def stream(self, request: Request) -> Iterator[Proposal]:
        yield from super().stream(request)
        if not self.rounds:
            raise LimitReached("tokens")


def better(source: str) -> str:
    """What the untrained predictor of these tests likes."""
    return source.replace("nn.ReLU()", "nn.SiLU()")


def burdened(source: str) -> str:
    """Better, with two changes that nothing reads."""
    return better(source).replace("for the tests", "of the tests") + UNUSED


def widened(source: str) -> str:
    return source.replace("8, 8, 3, padding=1)", "8, 8, 5, padding=2)")


def run(
    model: Path, predictor: Predictor, *rounds: Any, kind: type[Scripted] = Scripted, **options: Any
) -> Result:
    options = {
        "gain": 0.5,
        "familiarity_margin": 2.0,
        "max_iterations": len(rounds),
        "run_dir": model.parent / "run",
    } | options
    return improve(model, generator=kind(*rounds), predictor=predictor, **options)


def test_what_does_nothing_is_taken_back(model: Path, predictor: Predictor) -> None:
    result = run(model, predictor, [burdened])
    proposed, simplified = result.history
    assert simplified.generator == SIMPLIFIED and simplified.parent == proposed.number and simplified.best
    assert simplified.trusted_gain == proposed.trusted_gain
    source = (result.run_dir / "candidates" / "0002" / "model.py").read_text()
    assert source == better(NET)
    assert "unused" not in result.diff
    assert any("taken out again: the prediction is the same" in line for line in simplified.explanation)
    assert result.explanation == ("a change",)
    assert (result.run_dir / "best.py").read_text() == result.best_source


def test_one_statement_of_several_side_by_side_is_taken_back(model: Path, predictor: Predictor) -> None:
    def wrapped(source: str) -> str:
        conv = "nn.Conv2d(3, 8, 3, padding=1)"
        return better(source).replace(conv, f"nn.Sequential(\n            {conv},\n        )")

    result = run(model, predictor, [wrapped])
    simplified = result.history[-1]
    assert simplified.explanation == ("line 9 as in the original again: the prediction is the same",)
    assert (result.run_dir / "candidates" / "0002" / "model.py").read_text() == better(NET)


def test_what_the_prediction_needs_stays(model: Path, predictor: Predictor) -> None:
    result = run(model, predictor, [better])
    assert [entry.generator for entry in result.history] == ["scripted"]
    assert "nn.SiLU()" in result.best_source


def test_a_simpler_form_that_reaches_the_target_ends_the_run_there(model: Path, predictor: Predictor) -> None:
    def hampered(source: str) -> str:
        return better(source).replace("8, 8, 3, padding=1)", "8, 8, 1)")

    proposed, simplified = run(model, predictor, [hampered]).history
    assert proposed.trusted_gain is not None and simplified.trusted_gain is not None
    assert simplified.trusted_gain > proposed.trusted_gain
    between = (proposed.trusted_gain + simplified.trusted_gain) / 2
    result = run(model, predictor, [hampered], gain=between, run_dir=model.parent / "again")
    assert result.stopped == "threshold" and result.gain > between


def test_a_resumed_run_keeps_the_simpler_form_and_asks_as_if_it_were_not_there(
    model: Path, predictor: Predictor
) -> None:
    first = run(model, predictor, [burdened])
    again = run(model, predictor, resume=True, max_iterations=1)
    assert again.history == first.history and again.best_source == first.best_source

    asked: list[str] = []

    def seen(source: str) -> str:
        asked.append(source)
        return source

    further = run(model, predictor, [seen], resume=True, max_iterations=2)
    assert asked == [burdened(NET)] and further.history[:2] == first.history
    assert further.best_source == first.best_source


def test_a_limit_between_rounds_costs_no_proposal(model: Path, predictor: Predictor) -> None:
    first = run(model, predictor, [burdened], kind=Limited, max_iterations=2)
    assert first.stopped == "usd" and first.history[-1].generator == SIMPLIFIED
    further = run(model, predictor, [widened], resume=True, max_iterations=2)
    told = [(entry.generator, entry.iteration) for entry in further.history]
    assert told[:3] == [("scripted", 1), (SIMPLIFIED, 1), ("scripted", 2)]
    paid = (first.run_dir / "candidates" / "0003" / "model.py").read_text()
    assert paid == widened(burdened(NET)) and further.history[:2] == first.history


def test_a_round_that_a_limit_cut_short_is_judged_before_anything_is_taken_back(
    model: Path, predictor: Predictor
) -> None:
    first = run(model, predictor, [burdened], [widened], kind=CutOff)
    assert first.stopped == "tokens" and first.improved
    assert SIMPLIFIED not in {entry.generator for entry in first.history}
    further = run(model, predictor, [widened], resume=True, max_iterations=2)
    assert [entry.generator for entry in further.history] == ["scripted", "scripted", SIMPLIFIED]


def test_nothing_is_taken_back_where_costs_are_weighed(model: Path, predictor: Predictor) -> None:
    result = run(model, predictor, [burdened], objectives="accuracy,params")
    assert SIMPLIFIED not in {entry.generator for entry in result.history}
