"""What candidates cost, and the front of those that no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas_assistant.assistant._constraints import parse_latency
from nas_assistant.assistant._history import Candidate
from nas_assistant.costs import Value, dominates, hypervolume, memory_bytes, pareto_front, seconds_text
from nas_assistant.errors import Failure, FailureKind, ModelError
from nas_assistant.sources import Latency, Timing, measure_latency

if TYPE_CHECKING:
    from nas_assistant.assistant._check import Checker
    from nas_assistant.assistant._options import Options
    from nas_assistant.graphs import ComputationalGraph
    from nas_assistant.sources import Sandbox

_CHEAP = ("accuracy", "params", "flops", "memory")
_FACTOR = 2.0
"""The hypervolume's reference point, in errors and costs of the start."""


@dataclass(frozen=True, slots=True)
class Front:
    """The checked networks that no other one beats in every objective.

    Attributes:
        objectives: Names, accuracy first.
        start: The user's own network, number 0.
        points: The networks, the most accurate first; the user's own may be among them.
        hypervolume: Volume that the front dominates, in which the start alone has 1: error and costs are
            divided by the start's, and reach to twice the start's.
    """

    objectives: tuple[str, ...]
    start: Candidate
    points: tuple[Candidate, ...]
    hypervolume: float

    def accuracy(self, entry: Candidate) -> float:
        """The accuracy of a point as the search believes it; see ``familiarity_margin``."""
        return counted_accuracy(entry, self.start)

    def knows(self, entry: Candidate, name: str) -> bool:
        """Whether an objective of a candidate is known."""
        return known_values(entry, (name,))[0] is not None

    def cost(self, entry: Candidate, name: str) -> float:
        """A cost of a point or of the start."""
        value = known_values(entry, (name,))[0]
        assert value is not None
        return value

    def latency_noise(self, entry: Candidate) -> float:
        """Half of the interval of a point's latency, as a share of it."""
        if entry.latency is None or entry.latency_interval is None:
            return 0.0
        low, high = entry.latency_interval
        return (high - low) / (2 * entry.latency)

    def to_json(self) -> list[dict[str, Any]]:
        """The points as plain JSON data."""
        return [
            {
                "candidate": entry.number,
                "accuracy": entry.accuracy,
                "counts_as": self.accuracy(entry),
                "params": entry.parameters,
                "flops": entry.flops,
                "memory": entry.memory,
                "latency": entry.latency,
                "latency_low": entry.latency_interval[0] if entry.latency_interval else None,
                "latency_high": entry.latency_interval[1] if entry.latency_interval else None,
            }
            for entry in self.points
        ]


class Meter:
    """Measures what candidates cost, as far as the options ask for it.

    Nothing else of the run may be at work while a latency is measured.

    Args:
        checker: Knows the file and the user's own network.
        source: Text of the file.
        accuracy: Predicted accuracy of the user's own network.
        options: Objectives, limits and how to measure.
        sandbox: Where candidates are timed.
        start: The user's own network as an earlier call measured it, or None to measure it now.

    Raises:
        UserError: The user's own network cannot be timed, or a limit cannot be read.
    """

    def __init__(
        self,
        checker: Checker,
        source: str,
        accuracy: float,
        options: Options,
        sandbox: Sandbox,
        start: Candidate | None,
    ) -> None:
        self._checker, self._source, self._options, self._sandbox = checker, source, options, sandbox
        self.start = start or replace(self._measure_start(), accuracy=accuracy)
        self.max_latency = parse_latency(options.max_latency, self.start.latency or 0.0)

    @property
    def objectives(self) -> tuple[str, ...]:
        """What the front is made of."""
        return self._options.objectives

    def weigh(
        self, candidate: Candidate, graph: ComputationalGraph, source: str, history: Sequence[Candidate]
    ) -> Candidate:
        """Reckon the memory of a candidate that was predicted, and measure its latency where it matters.

        Latency matters for a front unless a network measured before is as accurate with no more parameters,
        FLOPs and memory, and better in one of them; for a limit alone, when the candidate is about to be the
        best.

        Args:
            candidate: Accuracy, parameters and FLOPs are known.
            graph: Its graph.
            source: Its file.
            history: The candidates before.

        Returns:
            The candidate with what was found, turned down where it breaks the limit.
        """
        candidate = replace(candidate, memory=memory_bytes(graph, self._options.cost_batch))
        timing = self._options.timing
        if timing is None or not self._matters(candidate, history):
            return candidate
        try:
            factor = self._time(source, self._source, timing).factor
        except ModelError as error:
            return replace(candidate, failure=error.failure, best=False)
        assert factor is not None and self.start.latency is not None
        latency, low, high = (self.start.latency * part for part in factor)
        candidate = replace(candidate, latency=latency, latency_interval=(low, high))
        if self.max_latency is not None and low > self.max_latency:
            told = f"{seconds_text(latency)} ({seconds_text(low)} to {seconds_text(high)})"
            message = f"latency {told}, more than the limit of {seconds_text(self.max_latency)}"
            return replace(candidate, failure=Failure(FailureKind.CONSTRAINT, message), best=False)
        return candidate

    def results(self, candidates: Sequence[Candidate], best: int) -> dict[str, Any]:
        """What the run's result says of costs: ``memory``, ``latency`` and ``front``.

        Args:
            candidates: All of the run.
            best: Number of the best; 0 is the user's own.
        """
        start, last = self.start, candidates[best - 1] if best else self.start
        assert start.memory is not None and last.memory is not None
        return {
            "memory": (start.memory, last.memory),
            "latency": (start.latency, last.latency) if start.latency and last.latency else None,
            "front": make_front(start, candidates, self.objectives),
        }

    def _matters(self, candidate: Candidate, history: Sequence[Candidate]) -> bool:
        if "latency" not in self.objectives:
            return candidate.best
        measured = [self.start, *(entry for entry in history if entry.latency is not None)]
        own = values(candidate, _CHEAP, self.start)
        return not any(dominates(values(other, _CHEAP, self.start), own) for other in measured)

    def _measure_start(self) -> Candidate:
        timing = self._options.timing
        start = start_of(self._checker.original.graph, self._options.cost_batch)
        if timing is None:
            return start
        found = self._time(self._source, None, replace(timing, seconds=2 * timing.seconds))
        return replace(start, latency=found.seconds, latency_interval=(found.low, found.high))

    def _time(self, source: str, reference: str | None, timing: Timing) -> Latency:
        checker = self._checker
        _, latency = measure_latency(
            checker.path,
            entry=checker.original.entry,
            data=checker.data,
            input_shape=checker.input_shape,
            source=source,
            reference=reference,
            timing=timing,
            sandbox=self._sandbox,
        )
        return latency


def start_of(graph: ComputationalGraph, batch: int) -> Candidate:
    """The user's own network as number 0, with what is known from its graph."""
    return Candidate(
        number=0,
        iteration=0,
        parent=0,
        hash=graph.hash,
        trusted_gain=0.0,
        parameters=graph.parameters,
        flops=graph.flops,
        memory=memory_bytes(graph, batch),
    )


def make_front(
    start: Candidate, candidates: Sequence[Candidate], objectives: tuple[str, ...]
) -> Front | None:
    """The front over the start and the candidates that met every constraint; None without objectives."""
    if not objectives:
        return None
    known = [
        entry
        for entry in (start, *candidates)
        if entry.failure is None and None not in known_values(entry, objectives)
    ]
    points = [values(entry, objectives, start) for entry in known]
    chosen = pareto_front(points)
    scale = [value.value for value in values(start, objectives, start)]
    relative = [
        [value.value / unit if unit else 1.0 for value, unit in zip(points[index], scale, strict=True)]
        for index in chosen
    ]
    volume = hypervolume(relative, [_FACTOR] * len(objectives))
    front = sorted((known[index] for index in chosen), key=lambda e: (-counted_accuracy(e, start), e.number))
    return Front(objectives, start, tuple(front), volume)


def counted_accuracy(entry: Candidate, start: Candidate) -> float:
    """The accuracy of a candidate as the search believes it; see ``familiarity_margin``."""
    assert start.accuracy is not None
    return start.accuracy + (entry.trusted_gain or 0.0)


def known_values(entry: Candidate, objectives: Sequence[str]) -> list[float | None]:
    """What is known of a candidate."""
    known = {
        "accuracy": entry.accuracy,
        "latency": entry.latency,
        "params": entry.parameters,
        "flops": entry.flops,
        "memory": entry.memory,
    }
    return [known[name] for name in objectives]


def values(entry: Candidate, objectives: Sequence[str], start: Candidate) -> tuple[Value, ...]:
    """The objectives of a candidate that has them, each to be low: accuracy as error."""
    found = []
    for name, value in zip(objectives, known_values(entry, objectives), strict=True):
        assert value is not None
        if name == "accuracy":
            found.append(Value.exact(1.0 - counted_accuracy(entry, start)))
        elif name == "latency" and entry.latency_interval is not None and entry.number:
            found.append(Value(value, *entry.latency_interval))
        else:  # the start is the unit of every latency, and has none of its noise
            found.append(Value.exact(value))
    return tuple(found)
