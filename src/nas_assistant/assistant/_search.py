"""Algorithm 3: propose, check, predict, keep the best."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas_assistant.assistant._bandit import choose_generator
from nas_assistant.assistant._check import Checker, seen_before
from nas_assistant.assistant._costs import Meter
from nas_assistant.assistant._header import add_header, comment, gain_line, make_diff
from nas_assistant.assistant._history import Candidate, best_of
from nas_assistant.assistant._options import Options
from nas_assistant.assistant._pool import SandboxPool
from nas_assistant.assistant._rounds import Best, Progress, Round, iteration_seed
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._strategy import make_strategy
from nas_assistant.assistant._trust import trusted_gain
from nas_assistant.errors import Failure
from nas_assistant.generators import BaseGenerator, LimitReached, Proposal, Request
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.relevance import LayerRelevance, relevance
from nas_assistant.sources import Inspection

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction, Predictor


SIMPLIFIED = "simplified"
"""In the place of a generator's name: a candidate that takes back changes of the best."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A proposal whose turn has not come."""

    number: int
    proposal: Proposal
    built: Future[Inspection | Failure]


class Search:
    """One run of Mishra 2023, section 2.2, Algorithm 3.

    Candidates are built beside each other, and while the generator is at work on the next. They are judged in
    the order of their numbers, and a round begins when the one before it is judged: what a run finds depends
    on its seed and not on which candidate was built first.

    Args:
        text: The user's file as it is.
        source: The same without the header of an earlier run.
        checker: Holds a candidate against the checks.
        predictor: Predicts what passes them.
        generators: Propose; one is asked a round.
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
        generators: Sequence[BaseGenerator],
        options: Options,
        run: RunDirectory,
        progress: Callable[[Progress], None] | None = None,
        deadline: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._deadline = deadline
        self.meter = meter
        self.text, self.checker, self.predictor = text, checker, predictor
        self.generators = {generator.name: generator for generator in generators}
        self.options, self.run_directory, self._progress = options, run, progress
        graph = checker.original.graph
        self.original = Best(0, source, graph, predictor.predict(graph))
        self.target = options.target(self.original.prediction.accuracy)
        self._relevance: dict[int, tuple[LayerRelevance, ...]] = {}
        self._begin()

    def _begin(self) -> None:
        self.best = self.original
        self._remarks: tuple[str, ...] = ()
        self.history: list[Candidate] = []
        self.iterations = 0
        self._rounds: list[Round] = []
        self._seen = {self.original.graph.hash: 0}
        self._texts = {self.original.source: 0, self.text: 0}
        self._strategy = make_strategy(self.options.search, self.predictor, self.original.graph)

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
        self._begin()
        run = self.run_directory
        for event in run.events():
            if event["event"] == "asked":
                names = ("iteration", "parent", "generator", "first")
                self._note(Round(*(event[name] for name in names)))
            elif event["event"] == "proposed":
                self._rounds[-1] = replace(self._rounds[-1], count=int(event["count"]))
            elif event["event"] == "checked":
                candidate = Candidate.from_json(event["candidate"])
                graph = run.read_graph(candidate.number) if candidate.failure is None else None
                self._remember(candidate, run.read_source(candidate.number), graph)
        self.take(best_of(self.history))

    def take(self, number: int, remarks: tuple[str, ...] = ()) -> None:
        """Make a candidate the best, and write it down; 0, the user's own, leaves no file.

        Args:
            number: Of the candidate.
            remarks: Lines for the header of the file.
        """
        self._remarks = remarks
        if not number:
            self.best = self.original
            self.run_directory.drop_best()
            return
        graph = self.graph(number)
        counts = self.history[number - 1].trusted_gain or 0.0
        self.best = Best(number, self.source(number), graph, self.predictor.predict(graph), counts)
        self._write_best()

    def run(self, pool: SandboxPool) -> str:
        """Go on until the target is passed, no round is left or a limit is reached; returns which.

        Args:
            pool: Where candidates are built.
        """
        try:
            return self._run(pool)
        except LimitReached as limit:
            return limit.what

    def _run(self, pool: SandboxPool) -> str:
        # A round that was cut short is finished first, as if nothing had happened.
        for iteration in range(max(self.iterations, 1), self.options.max_iterations + 1):
            unfinished = self._unfinished(iteration)
            if self.passed and not unfinished:
                return "threshold"
            if unfinished or iteration > self.iterations:
                self._round(iteration, pool)
        return "threshold" if self.passed else "iterations"

    def worth(self, graph: ComputationalGraph) -> float:
        """What counts of the gain of a network over the user's own."""
        return self._counts(self.predictor.predict(graph))

    def adopt(self, source: str, graph: ComputationalGraph, explanation: tuple[str, ...]) -> None:
        """Make a simpler form of the best the best, as one more candidate.

        Args:
            source: Its text.
            graph: Its graph.
            explanation: One line for each change that it takes back.
        """
        number = len(self.history) + 1
        candidate = Candidate(
            number=number,
            iteration=self.iterations,
            parent=self.best.number,
            generator=SIMPLIFIED,
            explanation=explanation,
            edits=explanation,
            hash=graph.hash,
            parameters=graph.parameters,
            flops=graph.flops,
        )
        self.run_directory.write_proposal(number, Proposal(source, explanation=explanation))
        candidate = replace(self._predict(candidate, graph)[0], best=True)
        if self.meter is not None:
            candidate = self.meter.weigh(candidate, graph, source, self.history)
        self._keep(candidate, source, graph)
        self.take(number)
        self.report(self.iterations, 0, candidate)

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
            *(comment(line) for line in (*self._remarks, *self.explanation())),
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

    def request(self, round_: Round) -> Request:
        """What the generator is asked for in a round."""
        number, original = round_.parent, self.checker.original
        graph = self.graph(number)
        accuracy = self.history[number - 1].accuracy if number else None
        if number not in self._relevance:
            self._relevance[number] = relevance(graph, self.predictor).layers
        return Request(
            source=self.source(number),
            framework=original.framework,
            entry=original.entry,
            graph=graph,
            relevance=self._relevance[number],
            accuracy=self.original.prediction.accuracy if accuracy is None else accuracy,
            target=self.target,
            constraints=self.checker.constraints,
            history=tuple(
                entry.attempt() for entry in self.history[: round_.first - 1] if entry.generator != SIMPLIFIED
            ),
            count=self.options.proposals_per_iteration,
            seed=iteration_seed(self.options.seed, round_.iteration),
            rounds_left=self.options.max_iterations - round_.iteration + 1,
        )

    def next_round(self) -> Round:
        """The round that follows those begun: its parent and its generator."""
        iteration = self.iterations + 1
        draw = random.Random(f"round/{self.options.seed}/{iteration}")
        generator = choose_generator(list(self.generators), map(self._paid, self._rounds), draw)
        return Round(iteration, self._strategy.parent(draw), generator, len(self.history) + 1)

    def _unfinished(self, iteration: int) -> bool:
        if not self._rounds or self._rounds[-1].iteration != iteration:
            return False
        last = self._rounds[-1]
        return last.count is None or len(self.history) < last.first + last.count - 1

    def _paid(self, round_: Round) -> tuple[str, list[bool]]:
        """Which proposals of a round were better than their parent."""
        gains = [0.0, *(entry.trusted_gain for entry in self.history)]
        before = gains[round_.parent] or 0.0
        made = self.history[round_.first - 1 : round_.first - 1 + (round_.count or 0)]
        return round_.generator, [
            entry.failure is None and (entry.trusted_gain or 0.0) > before for entry in made
        ]

    def _round(self, iteration: int, pool: SandboxPool) -> None:
        self.report(iteration, 0)
        self.check_time()
        if iteration > self.iterations:
            round_ = self.next_round()
            self.run_directory.log(
                "asked",
                iteration=iteration,
                parent=round_.parent,
                generator=round_.generator,
                first=round_.first,
            )
            self._note(round_)
        round_, known, timed = self._rounds[-1], len(self.history), self.options.timing is not None
        waiting: deque[_Waiting] = deque()
        for number, proposal in enumerate(self._proposals(round_), start=round_.first):
            if number > known:
                waiting.append(_Waiting(number, proposal, self._build(number, proposal, pool)))
            while waiting and waiting[0].built.done() and not timed:
                self._judge(waiting.popleft(), round_, number)
        if timed:  # by a machine that is at rest
            wait(one.built for one in waiting)
        while waiting:
            self.check_time()
            self._judge(waiting.popleft(), round_, number)

    def check_time(self) -> None:
        """Raise :class:`LimitReached` when the time is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise LimitReached("seconds")

    def _note(self, round_: Round) -> None:
        self._rounds.append(round_)
        self.iterations = round_.iteration
        self._strategy.chosen(round_.parent)

    def _proposals(self, round_: Round) -> Iterator[Proposal]:
        """What the generator proposes; from the run directory, where it is there."""
        run = self.run_directory
        if round_.count is not None:
            yield from run.read_proposals(round_.first, round_.count)
            return
        request, count = self.request(round_), 0
        for proposal in itertools.islice(self.generators[round_.generator].stream(request), request.count):
            number = round_.first + count
            if number > len(self.history):
                run.write_proposal(number, proposal)
            count += 1
            yield proposal
        run.log("proposed", iteration=round_.iteration, count=count)
        self._rounds[-1] = replace(round_, count=count)

    def _build(self, number: int, proposal: Proposal, pool: SandboxPool) -> Future[Inspection | Failure]:
        """Begin to build a proposal, unless it is known not to be worth it."""
        failure, source = proposal.failure, proposal.source
        if failure is None and source in self._texts:
            failure = seen_before(self._texts[source])
        self._texts.setdefault(source, number)
        if failure is None:
            return pool.submit(lambda sandbox: self.checker.build(source, sandbox))
        known: Future[Inspection | Failure] = Future()
        known.set_result(failure)
        return known

    def _judge(self, waiting: _Waiting, round_: Round, proposed: int) -> None:
        number, proposal = waiting.number, waiting.proposal
        reasons = tuple(_because(edit.describe(), edit.reason) for edit in proposal.edits)
        graph, failure = self.checker.judge(waiting.built.result(), self._seen)
        candidate = Candidate(
            number=number,
            iteration=round_.iteration,
            parent=round_.parent,
            generator=round_.generator,
            explanation=proposal.explanation or reasons,
            edits=tuple(edit.describe() for edit in proposal.edits) or proposal.explanation,
            hash=graph.hash if graph else None,
            parameters=graph.parameters if graph else None,
            flops=graph.flops if graph else None,
            failure=failure,
        )
        best = None
        if graph is not None and failure is None:
            candidate, prediction = self._predict(candidate, graph)
            if self.meter is not None:
                candidate = self.meter.weigh(candidate, graph, proposal.source, self.history)
            if candidate.best:
                best = Best(number, proposal.source, graph, prediction, candidate.trusted_gain or 0.0)
        self._keep(candidate, proposal.source, graph)
        if best is not None:
            self.best = best
            self._write_best()
        self.report(round_.iteration, proposed - round_.first + 1, candidate)

    def _counts(self, prediction: Prediction) -> float:
        return trusted_gain(
            self.predictor, self.original.prediction, prediction, self.options.familiarity_margin
        )

    def _predict(self, candidate: Candidate, graph: ComputationalGraph) -> tuple[Candidate, Prediction]:
        prediction = self.predictor.predict(graph)
        counts = self._counts(prediction)
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

    def _keep(self, candidate: Candidate, source: str, graph: ComputationalGraph | None) -> None:
        diff = make_diff(self.text, source, self.checker.path.name, ())
        self.run_directory.write_candidate(candidate, graph, diff)
        self._remember(candidate, source, graph)

    def _remember(self, candidate: Candidate, source: str, graph: ComputationalGraph | None) -> None:
        self.history.append(candidate)
        self._texts.setdefault(source, candidate.number)
        if candidate.hash is not None:
            self._seen.setdefault(candidate.hash, candidate.number)
        if graph is not None and candidate.failure is None and candidate.generator != SIMPLIFIED:
            self._strategy.add(candidate.number, candidate.trusted_gain or 0.0, graph)

    def source(self, number: int) -> str:
        """Text of a candidate; 0 is the user's own, without the header of an earlier run."""
        return self.run_directory.read_source(number) if number else self.original.source

    def graph(self, number: int) -> ComputationalGraph:
        """Graph of a candidate; 0 is the user's own."""
        return self.run_directory.read_graph(number) if number else self.original.graph

    def _write_best(self) -> None:
        self.run_directory.write_best(self.best_source(), self.diff())

    def report(
        self,
        iteration: int,
        proposed: int,
        candidate: Candidate | None = None,
        weighed: tuple[int, int] | None = None,
    ) -> None:
        """Tell how far the run is; see :class:`Progress`."""
        if self._progress is not None:
            self._progress(
                Progress(
                    iteration,
                    self.options.max_iterations,
                    sum(entry.iteration == iteration for entry in self.history),
                    proposed,
                    self.original.prediction.accuracy,
                    self.best.prediction.accuracy,
                    self.target,
                    candidate,
                    weighed,
                )
            )


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what
