"""What every baseline offers: fit on labelled graphs, score others."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nas_assistant.encoders import GraphArrays
    from nas_assistant.training import GraphSet

Array = npt.NDArray[np.float64]

Progress = Callable[[str, int, int], None]
"""Called with the stage, what is done of it, and its total."""


class BaseBaseline(abc.ABC):
    """Ranks networks by their graphs.

    Attributes:
        name: What it is asked for by.
        title: What it is, for a table, with the paper.
        learns: Whether :meth:`fit` needs labels.
        predicts_accuracy: Whether a score is an accuracy in [0, 1], so that errors can be measured.
        seed: What :meth:`fit` was last given.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    learns: ClassVar[bool] = False
    predicts_accuracy: ClassVar[bool] = False
    seed: int = 0

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Learn from labelled graphs of one or more families; one that needs none keeps the seed.

        Args:
            sets: Graphs and accuracies.
            seed: Of everything random.
            progress: See :data:`Progress`.
        """
        self.seed = seed

    def intervals(self, graphs: Sequence[GraphArrays]) -> Array | None:
        """Ends of 90 % intervals of the accuracies, ``(graphs, 2)``, or None where there are none."""
        return None

    @abc.abstractmethod
    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """One number a graph, ``(graphs,)``; higher is better.

        Raises:
            RuntimeError: It learns and was not fitted.
        """
