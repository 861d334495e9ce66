"""Picks among a run's best candidates by scores on the user's data beside the prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_assistant.assistant._history import Candidate
from nas_assistant.assistant._proxies import score_file
from nas_assistant.errors import ModelError
from nas_assistant.evidence import PREDICTOR, Pool, Stacker, load_stacker
from nas_assistant.generators import LimitReached
from nas_assistant.proxies import Score, get_proxy

if TYPE_CHECKING:
    from nas_assistant.assistant._pool import SandboxPool
    from nas_assistant.assistant._search import Search
    from nas_assistant.sources import Sandbox

SIZE = 8
"""Candidates that are scored, beside the user's own model."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A network of the shortlist.

    Attributes:
        number: Of its candidate; 0 is the user's own.
        accuracy: Predicted, as the search believes it.
        values: What each proxy says, higher is better; minus infinity for a fault.
        score: All evidence in one number, to rank by.
    """

    number: int
    accuracy: float
    values: Mapping[str, float]
    score: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The networks that the evidence was asked about.

    Attributes:
        evidence: ``proxies`` or ``both``.
        networks: The best first.
        weights: Of the kinds of evidence that were counted.
    """

    evidence: str
    networks: tuple[Listed, ...]
    weights: Mapping[str, float]

    @property
    def best(self) -> int:
        """Number of the network that is put first; 0 is the user's own."""
        return self.networks[0].number

    @property
    def summary(self) -> str:
        """One line for a person."""
        order = sorted(self.networks, key=lambda one: -one.accuracy)
        rank = next(place for place, one in enumerate(order, start=1) if one.number == self.best)
        kinds = ", ".join(name for name, weight in self.weights.items() if weight)
        return (
            f"first of {len(order)} by {kinds} on the data of this run; of these the predictor alone puts it "
            f"at {rank}"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        networks = [
            {
                "candidate": one.number,
                "accuracy": one.accuracy,
                "score": one.score,
                "proxies": {
                    name: value if math.isfinite(value) else None for name, value in one.values.items()
                },
            }
            for one in self.networks
        ]
        return {"kind": self.evidence, "weights": dict(self.weights), "networks": networks}


class Jury:
    """Scores the user's own model before a run, and its best candidates at the end.

    Scores are events of the run directory, so that a resumed run asks for none twice.

    Args:
        search: The run.
        sandbox: Where the user's own model is scored.

    Raises:
        UserError: The user's own model cannot be scored on the data.
    """

    def __init__(self, search: Search, sandbox: Sandbox) -> None:
        self._search = search
        self._stacker = load_stacker(search.options.evidence)
        self._proxies = [name for name in self._stacker.weights if name != PREDICTOR]
        self._scores: dict[int, list[Score]] = {
            int(event["candidate"]): [Score.from_json(score) for score in event["scores"]]
            for event in search.run_directory.events()
            if event["event"] == "scored"
        }
        self._scores[0] = self._score(search.original.source, sandbox)
        self._unfit = [score.proxy for score in self._scores[0] if score.value is None and not score.parts]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to announce: proxies that say nothing of the user's own model, and why."""
        return tuple(
            f"the proxy {score.proxy} is not counted: {score.fault.message}"
            for score in self._scores[0]
            if score.proxy in self._unfit and score.fault is not None
        )

    def choose(self, pool: SandboxPool) -> Shortlist | None:
        """Score the best candidates and rank them with the user's own model.

        None where there are none, or the time is over before all are scored.

        Args:
            pool: Where they are scored, beside each other.
        """
        search = self._search
        listed = _best(
            search.ledger.history, search.meter is not None and search.meter.max_latency is not None
        )
        waiting: dict[int, Future[list[Score] | None]] = {
            entry.number: pool.submit(self._work(entry.number))
            for entry in listed
            if entry.number not in self._scores
        }
        search.report(search.ledger.iterations, 0, weighed=(len(listed) - len(waiting), len(listed)))
        try:
            for done, (number, scores) in enumerate(waiting.items(), start=1 + len(listed) - len(waiting)):
                search.check_time()
                self._keep(number, scores.result())
                search.report(search.ledger.iterations, 0, weighed=(done, len(listed)))
        except LimitReached:
            return None
        finally:
            for scores in waiting.values():
                scores.cancel()
        fit = [entry for entry in listed if self._scores[entry.number]]
        return self._rank(fit) if fit else None

    def _work(self, number: int) -> Callable[[Sandbox], list[Score] | None]:
        source = self._search.ledger.source(number)

        def work(sandbox: Sandbox) -> list[Score] | None:
            try:
                return self._score(source, sandbox)
            except ModelError:  # of the proxies, since it was built before; the others can still be ranked
                return None

        return work

    def _score(self, source: str, sandbox: Sandbox) -> list[Score]:
        checker = self._search.checker
        report = score_file(
            checker.path,
            entry=checker.original.entry,
            data=checker.data,
            input_shape=checker.input_shape,
            proxies=self._proxies,
            seed=self._search.options.seed,
            source=source,
            sandbox=sandbox,
        )
        return list(report.scores)

    def _keep(self, number: int, scores: list[Score] | None) -> None:
        self._scores[number] = scores or []
        data = [score.to_json() for score in self._scores[number]]
        self._search.run_directory.log("scored", candidate=number, scores=data)

    def _rank(self, listed: Sequence[Candidate]) -> Shortlist:
        start = self._search.original.prediction.accuracy
        numbers = [0, *(entry.number for entry in listed)]
        accuracies = [start, *(start + (entry.trusted_gain or 0.0) for entry in listed)]
        values: dict[str, list[float]] = {}
        for place, name in enumerate(self._proxies):
            if name not in self._unfit:
                values[name] = get_proxy(name).combine([self._scores[n][place] for n in numbers])
        weights = {n: w for n, w in self._stacker.weights.items() if n == PREDICTOR or n in values}
        evidence = {PREDICTOR: accuracies, **values}
        pool = Pool({name: np.asarray(found, dtype=np.float64) for name, found in evidence.items()})
        scores = Stacker(weights, self._stacker.half_width).score(pool).tolist()
        networks = [
            Listed(number, accuracy, {name: values[name][place] for name in values}, score)
            for place, (number, accuracy, score) in enumerate(zip(numbers, accuracies, scores, strict=True))
        ]
        networks.sort(key=lambda one: (-one.score, -one.accuracy, one.number))
        return Shortlist(self._search.options.evidence, tuple(networks), weights)


def _best(history: Sequence[Candidate], timed: bool) -> list[Candidate]:
    """The candidates ahead of the user's own that count for most; only measured ones where time counts."""
    ahead = [
        entry
        for entry in history
        if entry.failure is None
        and (entry.trusted_gain or 0.0) > 0
        and (not timed or entry.latency is not None)
    ]
    return sorted(ahead, key=lambda entry: (-(entry.trusted_gain or 0.0), entry.number))[:SIZE]
