"""Where each round of a search goes on from."""

from __future__ import annotations

import abc
import random
from typing import TYPE_CHECKING

from nas_assistant.assistant._archive import Archive, Member
from nas_assistant.assistant._history import SAME_ACCURACY
from nas_assistant.graphs import ComputationalGraph

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor

_ARCHIVE_SIZE = 8
_ALIKE = 0.1


class BaseStrategy(abc.ABC):
    """Chooses the parents of a run. It is told of every model, in order, and of every parent chosen."""

    @abc.abstractmethod
    def parent(self, draw: random.Random) -> int:
        """Number of the model that the next round goes on from; 0 is the user's own."""

    def add(self, number: int, gain: float, graph: ComputationalGraph) -> None:
        """Take in a model that passed the checks, and what counts of its gain."""
        return None

    def chosen(self, number: int) -> None:
        """Take in that a round goes on from a model."""
        return None


class Chain(BaseStrategy):
    """Every round goes on from the best so far (Mishra 2023, section 2.2, Algorithm 3)."""

    def __init__(self) -> None:
        self._best, self._gain = 0, 0.0

    def parent(self, draw: random.Random) -> int:
        """The best; the user's own until something is better."""
        return self._best

    def add(self, number: int, gain: float, graph: ComputationalGraph) -> None:
        """Remember the best."""
        if gain > self._gain + SAME_ACCURACY:
            self._best, self._gain = number, gain


class Population(BaseStrategy):
    """Every round goes on from a parent drawn from an archive.

    Args:
        predictor: Whose encoder tells which models are alike.
        graph: Of the user's own model.
    """

    def __init__(self, predictor: Predictor, graph: ComputationalGraph) -> None:
        self._predictor = predictor
        self._archive = Archive(self._member(0, 0.0, graph), _ARCHIVE_SIZE, _ALIKE)

    def parent(self, draw: random.Random) -> int:
        """A member of the archive."""
        return self._archive.draw(draw)

    def add(self, number: int, gain: float, graph: ComputationalGraph) -> None:
        """Show the archive a model."""
        self._archive.add(self._member(number, gain, graph))

    def chosen(self, number: int) -> None:
        """Remember a parent."""
        self._archive.note(number)

    def _member(self, number: int, gain: float, graph: ComputationalGraph) -> Member:
        # One at a time: in a batch the last digits differ, and a resumed run would go elsewhere.
        return Member(number, gain, graph.parameters, self._predictor.embed([graph])[0])


def make_strategy(name: str, predictor: Predictor, graph: ComputationalGraph) -> BaseStrategy:
    """A strategy by its name, one of :data:`nas_assistant.assistant.SEARCHES`.

    Args:
        name: ``chain`` or ``population``.
        predictor: Of the run.
        graph: Of the user's own model.
    """
    return Chain() if name == "chain" else Population(predictor, graph)
