"""Algorithm 3: propose, check, predict, keep the best."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from nas_assistant.assistant._bandit import choose_generator
from nas_assistant.assistant._check import Checker, idle_edit, seen_before
from nas_assistant.assistant._costs import Meter
from nas_assistant.assistant._header import (
    add_header,
    byte_order_mark,
    comment,
    gain_line,
    make_diff,
)
from nas_assistant.assistant._history import SAME_ACCURACY, Candidate, best_of
from nas_assistant.assistant._layer_names import LayerNames
from nas_assistant.assistant._ledger import SIMPLIFIED, Ledger
from nas_assistant.assistant._notes import scope_notes, weight_notes
from nas_assistant.assistant._options import Options
from nas_assistant.assistant._pool import SandboxPool
from nas_assistant.assistant._rounds import Best, Progress, Round, iteration_seed
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._shared import shared_notes
from nas_assistant.assistant._strategy import make_strategy
from nas_assistant.assistant._trust import trusted_gain
from nas_assistant.errors import Failure
from nas_assistant.generators import BaseGenerator, LimitReached, Proposal, Request
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.relevance import LayerRelevance, relevance
from nas_assistant.sources import Inspection

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction, Predictor


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
        self.mark = byte_order_mark(checker.path)
        graph = checker.original.graph
        self.best = self.original = Best(0, source, graph, predictor.predict(graph))
        self.target = options.target(self.original.prediction.accuracy)
        self.ledger = Ledger(
            run, self.original, text, partial(make_strategy, options.search, predictor, graph)
        )
        self._relevance: dict[int, tuple[LayerRelevance, ...]] = {}
        self._remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether what counts of the best's gain reaches the target, and the run is to end there."""
        if not self.options.ends_at_target:
            return False
        return self.original.prediction.accuracy + self.best.trusted_gain >= self.target

    @property
    def can_simplify(self) -> bool:
        """Whether the prediction alone says what is better, and a simpler form takes no proposal's number."""
        weighed = self.options.objectives or self.options.timing is not None
        return bool(self.best.number) and not weighed and not self.ledger.cut_short

    def restore(self) -> None:
        """Take over what the run directory knows, in place of what this object does.

        Raises:
            UserError: It is damaged.
        """
        self.ledger.restore()
        self.take(best_of(self.ledger.history))

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
        graph, counts = self.ledger.graph(number), self.ledger.trusted_gain(number)
        self.best = Best(number, self.ledger.source(number), graph, self.predictor.predict(graph), counts)
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
        ledger = self.ledger
        for iteration in range(max(ledger.iterations, 1), self.options.max_iterations + 1):
            if self.passed and not ledger.cut_short:
                return "threshold"
            if ledger.cut_short or iteration > ledger.iterations:
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
        number = len(self.ledger.history) + 1
        candidate = Candidate(
            number=number,
            iteration=self.ledger.iterations,
            parent=self.best.number,
            generator=SIMPLIFIED,
            explanation=explanation,
            hash=graph.hash,
            parameters=graph.parameters,
            flops=graph.flops,
        )
        self.ledger.propose(number, Proposal(source, explanation=explanation))
        candidate = replace(self._predict(candidate, graph)[0], best=True)
        if self.meter is not None:
            candidate = self.meter.weigh(candidate, graph, source, self.ledger.history)
        self._keep(candidate, source, graph)
        self.take(number)
        self.report(self.ledger.iterations, 0, candidate)

    def shared(self) -> tuple[str, ...]:
        """What the best file changes beside the model that was asked for."""
        original, best = self.checker.original, self.best.source
        return shared_notes(
            self.original.source, best, self.checker.path, original.entry, self.original.graph
        )

    def explanation(self) -> tuple[str, ...]:
        """What was changed between the user's file and the best one."""
        return self.ledger.explanation(self.best.number, self._layer_names)

    @cached_property
    def _layer_names(self) -> LayerNames:
        return LayerNames.of(self.original.graph, self.checker.path)

    def header(self) -> list[str]:
        """The comment lines that head the best file."""
        before, after = self.original.prediction, self.best.prediction
        low, high = self.predictor.gain_interval(before, after)
        told = [
            f"gain {after.accuracy - before.accuracy:+.4f}, nine in ten lie in {low:+.4f} to {high:+.4f}",
            f"familiarity {after.familiarity:.2f} (original {before.familiarity:.2f}); 0 is unlike every "
            "network that the predictor learned from",
            *([f"never seen in training: {', '.join(after.unseen)}"] if after.unseen else []),
            *scope_notes(self.original.graph),
            *self._remarks,
            *self.shared(),
            *weight_notes(self.original.graph, self.best.graph),
            *self.explanation(),
        ]
        return [
            gain_line(before.accuracy, after.accuracy),
            *(line for text in told for line in comment(text)),
        ]

    def best_file(self) -> tuple[str, str]:
        """Text of the best file, and its diff to the user's, both headed by the gain."""
        source, header, mark = self.best.source, self.header(), self.mark
        diff = make_diff(mark + self.text, mark + source, self.checker.path.name, header)
        return add_header(source, header), diff

    def request(self, round_: Round) -> Request:
        """What the generator is asked for in a round."""
        number, original = round_.parent, self.checker.original
        graph = self.ledger.graph(number)
        if number not in self._relevance:
            self._relevance[number] = relevance(graph, self.predictor).layers
        return Request(
            source=self.ledger.source(number),
            framework=original.framework,
            entry=original.entry,
            graph=graph,
            relevance=self._relevance[number],
            accuracy=self.ledger.accuracy(number),
            target=self.target,
            constraints=self.checker.constraints,
            history=self.ledger.attempts(round_),
            count=self.options.proposals_per_iteration,
            seed=iteration_seed(self.options.seed, round_.iteration),
            rounds_left=self.options.max_iterations - round_.iteration + 1,
            original=self.ledger.source(0),
        )

    def next_round(self) -> Round:
        """The round that follows those begun: its parent and its generator."""
        ledger = self.ledger
        iteration = ledger.iterations + 1
        draw = random.Random(f"round/{self.options.seed}/{iteration}")
        generator = choose_generator(list(self.generators), ledger.payoffs(), draw)
        return Round(iteration, ledger.strategy.parent(draw), generator, len(ledger.history) + 1)

    def _round(self, iteration: int, pool: SandboxPool) -> None:
        self.report(iteration, 0)
        self.check_time()
        ledger = self.ledger
        round_ = self.next_round() if iteration > ledger.iterations else ledger.rounds[-1]
        known, timed = len(ledger.history), self.options.timing is not None
        waiting: deque[_Waiting] = deque()
        try:
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
        finally:
            for one in waiting:
                one.built.cancel()

    def check_time(self) -> None:
        """Raise :class:`LimitReached` when the time is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise LimitReached("seconds")

    def _proposals(self, round_: Round) -> Iterator[Proposal]:
        """What the generator proposes; from the run directory, where it is there.

        A round that a limit ends before it has a proposal is not written down: a resumed run draws it again.
        """
        if round_.count is not None:
            yield from self.run_directory.read_proposals(round_.first, round_.count)
            return
        request, count = self.request(round_), 0
        for proposal in itertools.islice(self.generators[round_.generator].stream(request), request.count):
            self.ledger.open(round_)
            self.ledger.propose(round_.first + count, proposal)
            count += 1
            yield proposal
        self.ledger.open(round_)
        self.ledger.complete(count)

    def _build(self, number: int, proposal: Proposal, pool: SandboxPool) -> Future[Inspection | Failure]:
        """Begin to build a proposal, unless it is known not to be worth it."""
        failure, source = proposal.failure, proposal.source
        before = self.ledger.same_text(source, number)
        if failure is None and before is not None:
            failure = seen_before(before)
        if failure is None:
            return pool.submit(lambda sandbox: self.checker.build(source, sandbox))
        known: Future[Inspection | Failure] = Future()
        known.set_result(failure)
        return known

    def _judge(self, waiting: _Waiting, round_: Round, proposed: int) -> None:
        number, proposal = waiting.number, waiting.proposal
        graph, failure = self.checker.judge(waiting.built.result(), self.ledger.seen)
        if graph is not None and failure is None:
            failure = idle_edit(proposal.edits, lambda: self.ledger.graph(round_.parent), graph)
        candidate = Candidate(
            number=number,
            iteration=round_.iteration,
            parent=round_.parent,
            generator=round_.generator,
            explanation=proposal.explanation or tuple(edit.tell() for edit in proposal.edits),
            edits=proposal.edits,
            hash=graph.hash if graph else None,
            parameters=graph.parameters if graph else None,
            flops=graph.flops if graph else None,
            failure=failure,
        )
        best = None
        if graph is not None and failure is None:
            candidate, prediction = self._predict(candidate, graph)
            if self.meter is not None:
                candidate = self.meter.weigh(candidate, graph, proposal.source, self.ledger.history)
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
        predicted = replace(
            candidate,
            accuracy=prediction.accuracy,
            interval=prediction.interval,
            familiarity=prediction.familiarity,
            gain=prediction.accuracy - self.ledger.accuracy(candidate.parent),
            trusted_gain=counts,
            best=counts > max(self.best.trusted_gain, 0.0) + SAME_ACCURACY,
        )
        return predicted, prediction

    def _keep(self, candidate: Candidate, source: str, graph: ComputationalGraph | None) -> None:
        diff = make_diff(self.mark + self.text, self.mark + source, self.checker.path.name, ())
        self.ledger.add(candidate, source, graph, diff)

    def _write_best(self) -> None:
        source, diff = self.best_file()
        self.run_directory.write_best(self.mark + source, diff)

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
                    sum(entry.iteration == iteration for entry in self.ledger.history),
                    proposed,
                    self.original.prediction.accuracy,
                    self.best.prediction.accuracy,
                    self.target if self.options.ends_at_target else None,
                    candidate,
                    weighed,
                )
            )
