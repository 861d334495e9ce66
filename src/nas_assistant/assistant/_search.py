"""Algorithm 3: propose, check, predict, keep the best."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas_assistant.assistant._check import Checker
from nas_assistant.assistant._costs import Meter
from nas_assistant.assistant._header import add_header, comment, gain_line, make_diff
from nas_assistant.assistant._history import Candidate
from nas_assistant.assistant._options import Options
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._trust import trusted_gain
from nas_assistant.generators import BaseGenerator, LimitReached, Proposal, Request
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.relevance import relevance

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction, Predictor


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        iteration: The round at work, from 1.
        max_iterations: Most rounds.
        checked: Candidates of the round that were checked.
        proposed: Candidates of the round.
        original: Predicted accuracy of the user's file.
        best: Predicted accuracy of the best so far.
        target: Predicted accuracy to pass.
        candidate: The candidate that was checked last, or None.
    """

    iteration: int
    max_iterations: int
    checked: int
    proposed: int
    original: float
    best: float
    target: float
    candidate: Candidate | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The best model so far; number 0 is the user's own."""

    number: int
    source: str
    graph: ComputationalGraph
    prediction: Prediction
    trusted_gain: float = 0.0


class Search:
    """One run of Mishra 2023, section 2.2, Algorithm 3.

    Args:
        text: The user's file as it is.
        source: The same without the header of an earlier run.
        checker: Holds a candidate against the checks.
        predictor: Predicts what passes them.
        generator: Proposes.
        options: Seeds, limits and the target.
        run: Where every step is written.
        progress: Called after every step.
        deadline: When to end, on the clock of ``time.monotonic``, or None.
        meter: Measures what candidates cost; only a run needs it.
    """

    def __init__(
        self,
        text: str,
        source: str,
        checker: Checker,
        predictor: Predictor,
        generator: BaseGenerator,
        options: Options,
        run: RunDirectory,
        progress: Callable[[Progress], None] | None = None,
        deadline: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._deadline = deadline
        self.meter = meter
        self.text, self.checker, self.predictor, self.generator = text, checker, predictor, generator
        self.options, self.run_directory, self._progress = options, run, progress
        graph = checker.original.graph
        self.original = Best(0, source, graph, predictor.predict(graph))
        self.best = self.original
        self.target = options.target(self.original.prediction.accuracy)
        self.history: list[Candidate] = []
        self.iterations = 0
        self._seen = {graph.hash: 0}
        self._texts = {source: 0, text: 0}
        self._proposed: dict[int, tuple[int, int, int]] = {}

    @property
    def passed(self) -> bool:
        """Whether what counts of the best's gain reaches the target, and the run is to end there."""
        if not self.options.ends_at_target:
            return False
        return self.original.prediction.accuracy + self.best.trusted_gain >= self.target

    def restore(self) -> None:
        """Take over what the run directory knows, in place of what this object does.

        Raises:
            UserError: It is damaged.
        """
        self.history.clear()
        self._proposed.clear()
        self.best = self.original
        self._seen = {self.original.graph.hash: 0}
        self._texts = {self.original.source: 0, self.text: 0}
        for event in self.run_directory.events():
            if event["event"] == "proposed":
                found = (int(event["parent"]), int(event["first"]), int(event["count"]))
                self._proposed[int(event["iteration"])] = found
            elif event["event"] == "checked":
                candidate = Candidate.from_json(event["candidate"])
                self._remember(candidate, self.run_directory.read_source(candidate.number))
        self.iterations = max(self.iterations, *self._proposed, 0)
        best = max((entry.number for entry in self.history if entry.best), default=0)
        if best:
            graph = self.run_directory.read_graph(best)
            entry = self.history[best - 1]
            self.best = Best(
                best,
                self.run_directory.read_source(best),
                graph,
                self.predictor.predict(graph),
                entry.trusted_gain or 0.0,
            )
            self._write_best()

    def run(self) -> str:
        """Go on until the target is passed, no round is left or a limit is reached; returns which."""
        try:
            return self._rounds()
        except LimitReached as limit:
            return limit.what

    def _rounds(self) -> str:
        # A round that was cut short is finished first, as if nothing had happened.
        for iteration in range(max(self.iterations, 1), self.options.max_iterations + 1):
            unfinished = self._unfinished(iteration)
            if self.passed and not unfinished:
                return "threshold"
            if iteration not in self._proposed or unfinished:
                self._round(iteration)
        return "threshold" if self.passed else "iterations"

    def header(self) -> list[str]:
        """The comment lines that head the best file."""
        before, after = self.original.prediction, self.best.prediction
        low, high = self.predictor.gain_interval(before, after)
        return [
            gain_line(before.accuracy, after.accuracy),
            comment(
                f"gain {after.accuracy - before.accuracy:+.4f}, nine in ten lie in {low:+.4f} to {high:+.4f}"
            ),
            comment(
                f"familiarity {after.familiarity:.2f} (original {before.familiarity:.2f}); 0 is unlike every "
                "network that the predictor learned from"
            ),
            *([comment(f"never seen in training: {', '.join(after.unseen)}")] if after.unseen else []),
            *(comment(line) for line in self.explanation()),
        ]

    def explanation(self) -> tuple[str, ...]:
        """One line for each change between the user's file and the best."""
        lines: list[str] = []
        number = self.best.number
        while number:
            entry = self.history[number - 1]
            lines[:0] = entry.explanation
            number = entry.parent
        return tuple(lines)

    def diff(self) -> str:
        """The diff of the user's file to the best, headed by the gain."""
        return make_diff(self.text, self.best.source, self.checker.path.name, self.header())

    def best_source(self) -> str:
        """Text of the best file, headed by the gain."""
        return add_header(self.best.source, self.header())

    def _unfinished(self, iteration: int) -> bool:
        if iteration not in self._proposed:
            return False
        _, first, count = self._proposed[iteration]
        return len(self.history) < first + count - 1

    def _round(self, iteration: int) -> None:
        self.iterations = iteration
        self._report(iteration, 0, 0)
        self._check_time()
        if iteration not in self._proposed:
            self._propose(iteration)
        parent, first, count = self._proposed[iteration]
        proposals = self.run_directory.read_proposals(first, count)
        for number, proposal in enumerate(proposals, start=first):
            if number > len(self.history):
                self._check_time()
                candidate = self._judge(number, iteration, parent, proposal)
                self._report(iteration, number - first + 1, count, candidate)

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise LimitReached("seconds")

    def request(self, iteration: int) -> Request:
        """What the generator is asked for in a round."""
        best, original = self.best, self.checker.original
        return Request(
            source=best.source,
            framework=original.framework,
            entry=original.entry,
            graph=best.graph,
            relevance=relevance(best.graph, self.predictor).layers,
            accuracy=best.prediction.accuracy,
            target=self.target,
            constraints=self.checker.constraints,
            history=tuple(entry.attempt() for entry in self.history),
            count=self.options.proposals_per_iteration,
            seed=iteration_seed(self.options.seed, iteration),
            rounds_left=self.options.max_iterations - iteration + 1,
        )

    def _propose(self, iteration: int) -> None:
        request = self.request(iteration)
        proposals = self.generator.propose(request)[: request.count]
        first = len(self.history) + 1
        self.run_directory.write_proposals(iteration, first, self.best.number, proposals)
        self._proposed[iteration] = (self.best.number, first, len(proposals))

    def _judge(self, number: int, iteration: int, parent: int, proposal: Proposal) -> Candidate:
        edits = tuple(edit.describe() for edit in proposal.edits) or proposal.explanation
        reasons = tuple(_because(edit.describe(), edit.reason) for edit in proposal.edits)
        candidate = Candidate(
            number=number,
            iteration=iteration,
            parent=parent,
            explanation=proposal.explanation or reasons,
            edits=edits,
            failure=proposal.failure,
        )
        graph = None
        if proposal.failure is None:
            graph, failure = self.checker.check(proposal.source, self._seen, texts=self._texts)
            candidate = replace(candidate, hash=graph.hash if graph else None, failure=failure)
        best = None
        if graph is not None:
            candidate = replace(candidate, parameters=graph.parameters, flops=graph.flops)
            if candidate.failure is None:
                candidate, prediction = self._predict(candidate, graph)
                if self.meter is not None:
                    candidate = self.meter.weigh(candidate, graph, proposal.source, self.history)
                if candidate.best:
                    best = Best(number, proposal.source, graph, prediction, candidate.trusted_gain or 0.0)
        diff = make_diff(self.text, proposal.source, self.checker.path.name, ())
        self.run_directory.write_candidate(candidate, graph, diff)
        self._remember(candidate, proposal.source)
        if best is not None:
            self.best = best
            self._write_best()
        return candidate

    def _predict(self, candidate: Candidate, graph: ComputationalGraph) -> tuple[Candidate, Prediction]:
        prediction = self.predictor.predict(graph)
        counts = trusted_gain(
            self.predictor, self.original.prediction, prediction, self.options.familiarity_margin
        )
        start = self.history[candidate.parent - 1].accuracy if candidate.parent else None
        before = self.original.prediction.accuracy if start is None else start
        predicted = replace(
            candidate,
            accuracy=prediction.accuracy,
            interval=prediction.interval,
            familiarity=prediction.familiarity,
            gain=prediction.accuracy - before,
            trusted_gain=counts,
            best=counts > max(self.best.trusted_gain, 0.0),
        )
        return predicted, prediction

    def _remember(self, candidate: Candidate, source: str) -> None:
        self.history.append(candidate)
        self._texts.setdefault(source, candidate.number)
        if candidate.hash is not None:
            self._seen.setdefault(candidate.hash, candidate.number)

    def _write_best(self) -> None:
        self.run_directory.write_best(self.best_source(), self.diff())

    def _report(
        self, iteration: int, checked: int, proposed: int, candidate: Candidate | None = None
    ) -> None:
        if self._progress is not None:
            self._progress(
                Progress(
                    iteration,
                    self.options.max_iterations,
                    checked,
                    proposed,
                    self.original.prediction.accuracy,
                    self.best.prediction.accuracy,
                    self.target,
                    candidate,
                )
            )


def iteration_seed(seed: int, iteration: int) -> int:
    """Seed of one round, so that a resumed run draws what an uninterrupted one would have drawn."""
    digest = hashlib.sha256(f"{seed}:{iteration}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what
