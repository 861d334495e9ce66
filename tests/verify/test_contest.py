from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from nas_assistant.errors import Failure, FailureKind, MissingExtraError, ModelError, UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.verify import Bench, Contender, Contest, Epoch, OutOfTime, Recipe, Subject, run_contest

GRAPH = ComputationalGraph.from_torch(nn.Linear(3, 2), torch.zeros(2, 3))


def contender(number: int, gain: float = 0.0, deviation: float = 0.03) -> Contender:
    subject = Subject(f"candidate {number}", Path("model.py"), str(number), "model", "torch", GRAPH)
    return Contender(number, subject, gain, deviation)


def contest(epochs: int = 9, *gains: float) -> Contest:
    contenders = [contender(0, 0.0, 0.0), *(contender(i, gain) for i, gain in enumerate(gains, start=1))]
    return Contest(Path("nowhere"), "digits", Recipe(epochs=epochs), tuple(contenders))


class Told:
    """Stands for a bench: its models have the curves that they are given."""

    def __init__(self, curves: dict[int, list[float]]) -> None:
        self.curves, self.trained, self.failures = curves, dict[int, int](), dict[int, str]()

    def train(self, subject: Subject, seed: int, until: int | None = None) -> list[Epoch]:
        number = int(subject.source)
        curve = self.curves[number][: until or None]
        self.trained[number] = max(len(curve), self.trained.get(number, 0))
        return self._epochs(number, len(curve))

    def unit(self, subject: Subject, seed: int) -> Any:
        number = int(subject.source)
        return SimpleNamespace(
            epochs=lambda: self._epochs(number, self.trained.get(number, 0)),
            fail=lambda reason: self.failures.update({number: reason}),
            failure=lambda: self.failures.get(number),
        )

    def _epochs(self, number: int, count: int) -> list[Epoch]:
        return [Epoch(i + 1, 0.0, value, "00", 0.0) for i, value in enumerate(self.curves[number][:count])]


def rising(end: float) -> list[float]:
    return [end * (1 - 0.7**epoch) for epoch in range(1, 10)]


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(9, (1, 3, 9)), (10, (1, 3, 9, 10)), (27, (3, 9, 27)), (2, (1, 2)), (1, (1,))]
)
def test_rungs(epochs: int, rungs: tuple[int, ...]) -> None:
    assert contest(epochs).rungs == rungs


def test_the_prior_speaks_first_and_the_measurement_last() -> None:
    told, one = Told({0: rising(0.5), 1: rising(0.4)}), contest(9, 0.05)
    scores = [score for _, score in one.scores(1, told)]  # type: ignore[arg-type]
    assert scores[0] > 0 > scores[-1], "predicted to gain, and measured to lose"
    assert scores == sorted(scores, reverse=True)
    unsure = Contest(one.folder, one.data, one.recipe, (one.contenders[0], contender(1, 0.05, 10.0)))
    assert list(unsure.scores(1, told))[-1][1] == pytest.approx(0.9 * rising(1)[-1] - rising(1)[-1], abs=0.1)  # type: ignore[arg-type]


@pytest.fixture
def optuna() -> Iterator[None]:
    pytest.importorskip("optuna")
    yield


@pytest.mark.parametrize("method", ["halving", "hyperband"])
def test_the_best_is_trained_to_the_end_and_the_hopeless_are_not(optuna: None, method: str) -> None:
    ends = [0.6, 0.5, 0.8, 0.4, 0.3, 0.2]
    told = Told({number: rising(end) for number, end in enumerate(ends)})
    one = contest(9, 0.02, 0.02, 0.01, 0.01, 0.01)
    run_contest(one, told, method=method)  # type: ignore[arg-type]
    assert told.trained[0] == 9 and told.trained[2] == 9
    if method == "halving":
        assert [told.trained[number] for number in (3, 4, 5)] == [1, 1, 1]
    standings = one.standings(told)  # type: ignore[arg-type]
    assert standings[0].contender.number == 2
    assert standings[0].score is not None and standings[0].score > 0.1
    assert sum(told.trained.values()) < 9 * len(ends)


def test_the_users_own_model_is_never_left_behind(optuna: None) -> None:
    told = Told({0: rising(0.3), 1: rising(0.9), 2: rising(0.8)})
    run_contest(contest(9, 0.1, 0.1), told)  # type: ignore[arg-type]
    assert told.trained[0] == 9


def test_the_same_contest_has_the_same_end(optuna: None) -> None:
    ends = [0.5, 0.52, 0.51, 0.49, 0.53]
    runs = []
    for _ in range(2):
        told = Told({number: rising(end) for number, end in enumerate(ends)})
        run_contest(contest(9, 0.01, 0.0, 0.02, 0.0), told, method="hyperband")  # type: ignore[arg-type]
        runs.append(told.trained)
    assert runs[0] == runs[1]


class AtWork(Told):
    """One of its models ends with an error once another one is being trained, which takes its time."""

    def __init__(self, error: BaseException) -> None:
        super().__init__({number: rising(0.5) for number in range(4)})
        self.error, self.begun, self.stopped = error, threading.Event(), threading.Event()
        self.ended: list[bool] = []

    def again(self) -> AtWork:
        return self

    def train(self, subject: Subject, seed: int, until: int | None = None) -> list[Epoch]:
        if subject.source == "1":
            self.begun.set()
            self.ended.append(self.stopped.wait(30))
            raise OutOfTime
        if subject.source == "2":
            self.begun.wait(30)
            raise self.error
        return super().train(subject, seed, until)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutOfTime(), UserError("fails")])
def test_an_error_of_one_worker_ends_what_the_others_train(optuna: None, error: BaseException) -> None:
    told = AtWork(error)
    with pytest.raises(type(error)):
        run_contest(contest(9, 0.03, 0.02, 0.01), told, workers=2)  # type: ignore[arg-type]
    assert told.ended == [True]
    assert 3 not in told.trained, "nothing else is begun"


class Failing(Told):
    """One of its models fails after the first epoch."""

    def __init__(self, number: int) -> None:
        super().__init__({number: rising(0.5 + number / 10) for number in range(3)})
        self.failing = number

    def train(self, subject: Subject, seed: int, until: int | None = None) -> list[Epoch]:
        if int(subject.source) == self.failing and until != 1:
            raise ModelError(Failure(FailureKind.SHAPE, "model.py:3: boom"))
        return super().train(subject, seed, until)


def test_a_candidate_that_fails_is_told_and_the_others_go_on(optuna: None) -> None:
    told, one = Failing(1), contest(9, 0.02, 0.01)
    run_contest(one, told)  # type: ignore[arg-type]
    standings = {standing.contender.number: standing for standing in one.standings(told)}  # type: ignore[arg-type]
    assert standings[1].to_json()["failure"] == "model.py:3: boom" and len(standings[1].accuracies) == 1
    assert standings[2].failure is None and len(standings[2].accuracies) == 9


def test_an_original_that_fails_ends_the_contest(optuna: None) -> None:
    with pytest.raises(ModelError, match=r"model\.py:3: boom"):
        run_contest(contest(9, 0.02, 0.01), Failing(0))  # type: ignore[arg-type]


def test_what_cannot_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    bench: Bench = Told({})  # type: ignore[assignment]
    with pytest.raises(UserError, match="--backend dask: choose one of optuna, ray"):
        run_contest(contest(), bench, backend="dask")
    with pytest.raises(UserError, match="--method asha: choose one of halving, hyperband"):
        run_contest(contest(), bench, method="asha")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"nas-assistant\[tune\]"):
        run_contest(contest(), bench)
