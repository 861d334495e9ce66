"""The rows of the loop's table: generators by name, and searches that know the family's encodings."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from nas_assistant.errors import ModelError, UserError
from nas_assistant.evaluation._scores import Scores

if TYPE_CHECKING:
    from nas_assistant.families import BaseFamily, Network
    from nas_assistant.graphs import ComputationalGraph
    from nas_assistant.predictors import Prediction, Predictor

_POPULATION = 16
_TOURNAMENT = 5

_CELL_OPERATIONS = {
    "nb101": ("swap_block", "drop_branch"),
    "nb201": ("swap_block", "drop_branch"),
    "nb301": ("swap_block",),
}
"""Edits of a family's source that mostly stay in it; a state of a DARTS cell always has two branches."""

_GUIDANCE = {"": "relevance", "-shuffled": "shuffled", "-uniform": "uniform"}
_NO_TRUST = "mutate-no-trust"
"""The whole predicted gain counts, whatever the familiarity, as in the thesis."""


@dataclass(frozen=True)
class LoopRow:
    """One way to search.

    Attributes:
        name: Of the row.
        kind: A ``generator`` that the assistant asks, or a search over encodings.
        generator: Name of the generator.
        options: What it is made with.
        in_cells: Draw only edits that mostly stay in the family.
        scores: The relevance that the generator is shown.
        search: Arguments of :func:`~nas_assistant.assistant.improve` that differ from the default.
    """

    name: str
    kind: Literal["generator", "evolution", "random"]
    generator: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    in_cells: bool = False
    scores: Scores = "true"
    search: dict[str, Any] = field(default_factory=dict)

    def generator_options(self, family: str) -> dict[str, Any]:
        """What the generator is made with for a family."""
        more = {"operations": list(_CELL_OPERATIONS[family])} if self.in_cells else {}
        return {**self.options, **more}


LOOP_ROWS = (
    *(f"mutate{ending}" for ending in _GUIDANCE),
    *(f"cells{ending}" for ending in _GUIDANCE),
    _NO_TRUST,
    "evolution",
    "random",
)
"""Names of the rows that need no model."""


def get_row(text: str) -> LoopRow:
    """A row by its name.

    Args:
        text: One of :data:`LOOP_ROWS`, or a generator and its options: ``openai:model=m,format=whole_file``,
            with ``scores`` among them where it is not to see the true relevance.

    Raises:
        UserError: An option is not ``name=value``, or there are no such scores.
    """
    if text == "evolution" or text == "random":
        return LoopRow(text, "evolution" if text == "evolution" else "random")
    if text == _NO_TRUST:
        return LoopRow(text, "generator", "mutate", search={"familiarity_margin": 1.0})
    for start in ("mutate", "cells"):
        for ending, guidance in _GUIDANCE.items():
            if text == start + ending:
                options = {"guidance": guidance}
                return LoopRow(text, "generator", "mutate", options, in_cells=start == "cells")
    name, _, rest = text.partition(":")
    given: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"{text!r}: options of a generator are written name=value, not {part!r}")
        given[key] = int(value) if value.isdecimal() else value
    scores = given.pop("scores", "true")
    if scores not in get_args(Scores):
        raise UserError(f"{text!r}: scores={scores}: choose one of {', '.join(get_args(Scores))}")
    return LoopRow(text, "generator", name, given, scores=scores)


@dataclass(frozen=True, slots=True)
class Seen:
    """A network that a search over encodings asked the predictor about."""

    encoding: Any
    prediction: Prediction


class EncodingSearch:
    """Random search and regularised evolution (Real et al. 2019, section 3) with the loop's predictions.

    Args:
        family: With ``neighbour``.
        pool: Networks that random ones are drawn from.
        predictor: Ranks them.
        rounds: Most rounds.
        each: Predictions a round.
        seed: Of every draw.
    """

    def __init__(
        self,
        family: BaseFamily[Any],
        pool: list[Network[Any]],
        predictor: Predictor,
        rounds: int,
        each: int,
        seed: int,
    ) -> None:
        self._family, self._pool, self._predictor = family, pool, predictor
        self._rounds, self._each = rounds, each
        self._draw = random.Random(seed)

    def run(self, kind: str, start: Any, gain: float) -> tuple[list[Seen], int]:
        """Everything that was predicted, the start first, and the rounds that were begun.

        It ends when the best passes the start's prediction by ``gain``, as the loop does.
        """
        seen = self._predict([start])
        target = seen[0].prediction.accuracy + gain
        propose = self._random if kind == "random" else self._evolution(seen[0])
        for round_ in range(1, self._rounds + 1):
            seen += propose(self._each)
            if max(one.prediction.accuracy for one in seen) >= target:
                return seen, round_
        return seen, self._rounds

    def _random(self, count: int) -> list[Seen]:
        return self._predict([self._draw.choice(self._pool).encoding for _ in range(count)])

    def _evolution(self, start: Seen) -> Callable[[int], list[Seen]]:
        population = deque([start], maxlen=_POPULATION)

        def propose(count: int) -> list[Seen]:
            made: list[Seen] = []
            while len(made) < count:
                if len(population) < _POPULATION:
                    made += self._random(1)
                else:
                    parent = max(self._draw.sample(list(population), _TOURNAMENT), key=_accuracy)
                    made += self._predict([self._family.neighbour(parent.encoding, self._draw)])
                population.append(made[-1])
            return made

        return propose

    def _predict(self, encodings: list[Any]) -> list[Seen]:
        """Predictions of those that have a graph."""
        found = list(self._graphs(encodings))
        predictions = self._predictor.predict_many([graph for _, graph in found])
        return [Seen(encoding, made) for (encoding, _), made in zip(found, predictions, strict=True)]

    def _graphs(self, encodings: list[Any]) -> Iterator[tuple[Any, ComputationalGraph]]:
        for encoding in encodings:
            try:
                graph = self._family.graph(encoding)
            except ModelError:
                graph = self._family.graph(encoding := self._draw.choice(self._pool).encoding)
            yield encoding, graph


def _accuracy(one: Seen) -> float:
    return one.prediction.accuracy
