"""The rounds and the candidates of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from nas_assistant.assistant._changes import changes_left
from nas_assistant.assistant._history import Candidate
from nas_assistant.assistant._layer_names import LayerNames
from nas_assistant.assistant._rounds import Best, Round
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._strategy import BaseStrategy
from nas_assistant.edits import Edit
from nas_assistant.generators import Attempt, Proposal
from nas_assistant.graphs import ComputationalGraph

SIMPLIFIED = "simplified"
"""In the place of a generator's name: a candidate that takes back changes of the best."""


class Ledger:
    """What a run tried, in memory and in its directory. Number 0 is the user's own model.

    Args:
        run: Where every step is written.
        original: The user's own model.
        text: Of the user's file as it is.
        make_strategy: Makes what chooses the parents; again, when a run is read anew.
    """

    def __init__(
        self, run: RunDirectory, original: Best, text: str, make_strategy: Callable[[], BaseStrategy]
    ) -> None:
        self._run, self._original, self._text, self._make_strategy = run, original, text, make_strategy
        self._forget()

    def _forget(self) -> None:
        self.history: list[Candidate] = []
        self.rounds: list[Round] = []
        self.seen = {self._original.graph.hash: 0}
        self._texts = {self._original.source: 0, self._text: 0}
        self.strategy = self._make_strategy()

    def restore(self) -> None:
        """Take over what the run directory knows, in place of what this object does.

        Raises:
            UserError: It is damaged.
        """
        self._forget()
        for event in self._run.events():
            if event["event"] == "asked":
                names = ("iteration", "parent", "generator", "first")
                self._note(Round(*(event[name] for name in names)))
            elif event["event"] == "proposed":
                self.rounds[-1] = replace(self.rounds[-1], count=int(event["count"]))
            elif event["event"] == "checked":
                candidate = Candidate.from_json(event["candidate"])
                graph = self._run.read_graph(candidate.number) if candidate.failure is None else None
                self._remember(candidate, self._run.read_source(candidate.number), graph)

    @property
    def iterations(self) -> int:
        """Rounds that were begun."""
        return self.rounds[-1].iteration if self.rounds else 0

    @property
    def cut_short(self) -> bool:
        """Whether the last round has proposals that were not judged."""
        if not self.rounds:
            return False
        last = self.rounds[-1]
        return last.count is None or len(self.history) < last.first + last.count - 1

    def open(self, round_: Round) -> None:
        """Write down a round that begins, once."""
        if round_.iteration == self.iterations:
            return
        self._run.log(
            "asked",
            iteration=round_.iteration,
            parent=round_.parent,
            generator=round_.generator,
            first=round_.first,
        )
        self._note(round_)

    def complete(self, count: int) -> None:
        """Write down how many the last round proposed."""
        self._run.log("proposed", iteration=self.iterations, count=count)
        self.rounds[-1] = replace(self.rounds[-1], count=count)

    def propose(self, number: int, proposal: Proposal) -> None:
        """Write down what a generator proposed, unless it was judged already."""
        if number > len(self.history):
            self._run.write_proposal(number, proposal)

    def same_text(self, source: str, number: int) -> int | None:
        """Who had a text before; otherwise it is the one with this number from now on."""
        known = self._texts.setdefault(source, number)
        return known if known != number else None

    def add(self, candidate: Candidate, source: str, graph: ComputationalGraph | None, diff: str) -> None:
        """Write down a candidate that was judged."""
        self._run.write_candidate(candidate, graph, diff)
        self._remember(candidate, source, graph)

    def source(self, number: int) -> str:
        """Text of a model, without the header of an earlier run."""
        return self._run.read_source(number) if number else self._original.source

    def graph(self, number: int) -> ComputationalGraph:
        """Graph of a model."""
        return self._run.read_graph(number) if number else self._original.graph

    def accuracy(self, number: int) -> float:
        """Predicted accuracy of a model; the user's own stands for one that was not predicted."""
        accuracy = self.history[number - 1].accuracy if number else None
        return self._original.prediction.accuracy if accuracy is None else accuracy

    def trusted_gain(self, number: int) -> float:
        """What counts of a model's gain, 0 for one that was not predicted."""
        return (self.history[number - 1].trusted_gain or 0.0) if number else 0.0

    def explanation(self, number: int, names: LayerNames) -> tuple[str, ...]:
        """One line for each change between the user's file and a model, by the lines of the user's file.

        Args:
            number: Of the model.
            names: Of the layers of the user's file.
        """
        steps: list[tuple[str, tuple[Edit | str, ...]]] = []
        best = self.source(number)
        while number:
            entry = self.history[number - 1]
            told = (entry.edits or entry.explanation) if entry.generator != SIMPLIFIED else ()
            steps.insert(0, (self.source(entry.parent), told))
            number = entry.parent
        return changes_left(steps, best, names)

    def attempts(self, round_: Round) -> tuple[Attempt, ...]:
        """The candidates of generators before a round, as its request tells of them."""
        return tuple(
            self._attempt(entry, round_)
            for entry in self.history[: round_.first - 1]
            if entry.generator != SIMPLIFIED
        )

    def _attempt(self, entry: Candidate, round_: Round) -> Attempt:
        here, counts = entry.parent == round_.parent, entry.trusted_gain
        told = entry.explanation
        if entry.accuracy is None or counts is None:
            return Attempt(entry.edits, told, failure=entry.failure, here=here)
        trusted = counts >= entry.accuracy - self.accuracy(0)
        gain = counts - self.trusted_gain(entry.parent)
        return Attempt(entry.edits, told, entry.accuracy, gain, entry.failure, here, trusted)

    def payoffs(self) -> Iterator[tuple[str, list[bool]]]:
        """For each round, who was asked, and which of the proposals were better than their parent."""
        for round_ in self.rounds:
            made = self.history[round_.first - 1 : round_.first - 1 + (round_.count or 0)]
            before = self.trusted_gain(round_.parent)
            yield (
                round_.generator,
                [entry.failure is None and self.trusted_gain(entry.number) > before for entry in made],
            )

    def _note(self, round_: Round) -> None:
        self.rounds.append(round_)
        self.strategy.chosen(round_.parent)

    def _remember(self, candidate: Candidate, source: str, graph: ComputationalGraph | None) -> None:
        self.history.append(candidate)
        self._texts.setdefault(source, candidate.number)
        if candidate.hash is not None:
            self.seen.setdefault(candidate.hash, candidate.number)
        if graph is not None and candidate.failure is None and candidate.generator != SIMPLIFIED:
            self.strategy.add(candidate.number, self.trusted_gain(candidate.number), graph)
