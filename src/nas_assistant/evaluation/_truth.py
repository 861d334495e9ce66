"""What is measured of a graph: whether it is a network of a family, and which accuracy that has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_assistant.errors import ModelError
from nas_assistant.metrics import Array, spearman

if TYPE_CHECKING:
    from nas_assistant.families import BaseFamily, Network
    from nas_assistant.graphs import ComputationalGraph

_LEAST = 20
"""Networks that a trait must occur in to be learned from."""


@dataclass(frozen=True, slots=True)
class Match:
    """A network of a family.

    Attributes:
        identity: See :meth:`nas_assistant.families.BaseFamily.identity`.
        accuracy: Its label in [0, 1], the mean where several encodings of it were trained; None without one.
        estimate: The label, or else what a regression on the family's labels says of it.
    """

    identity: str
    accuracy: float | None
    estimate: float


class Truth:
    """The labels of a family by network.

    Args:
        family: With :meth:`~nas_assistant.families.BaseFamily.recognise` and ``identity``.
        networks: All that are labelled.
        seed: Of the regression.
    """

    def __init__(self, family: BaseFamily[Any], networks: Sequence[Network[Any]], seed: int = 0) -> None:
        self._family, self._seed = family, seed
        self._encodings: dict[str, Any] = {}
        labels: dict[str, list[float]] = defaultdict(list)
        for network in networks:
            identity = family.identity_of(network)
            self._encodings.setdefault(identity, network.encoding)
            labels[identity].append(network.accuracy)
        self._accuracies = {identity: float(np.mean(values)) for identity, values in labels.items()}
        self._found: dict[str, Match | None] = {}

    @property
    def best(self) -> float:
        """The highest accuracy of a network."""
        return max(self._accuracies.values())

    def match(self, graph: ComputationalGraph) -> Match | None:
        """The network of the family that a graph is, node for node, or None."""
        if graph.hash not in self._found:
            self._found[graph.hash] = self._search(graph)
        return self._found[graph.hash]

    def of(self, encoding: Any) -> Match:
        """What is known of an encoding."""
        identity = self._family.identity(encoding)
        accuracy = self._accuracies.get(identity)
        return Match(identity, accuracy, self._estimate(encoding) if accuracy is None else accuracy)

    def known(self, encoding: Any) -> bool:
        """Whether an encoding is labelled."""
        return self._family.identity(encoding) in self._accuracies

    @cached_property
    def quality(self) -> dict[str, float]:
        """``srcc``, ``mae`` and ``bias`` of the regression on networks that it was not fitted to."""
        return self._regression.quality

    def _search(self, graph: ComputationalGraph) -> Match | None:
        for encoding in self._family.recognise(graph):
            try:
                same = self._family.graph(encoding).hash == graph.hash
            except ModelError:
                same = False
            if same:
                return self.of(encoding)
        return None

    def _estimate(self, encoding: Any) -> float:
        return self._regression.predict(self._family.traits(encoding))

    @cached_property
    def _regression(self) -> _Regression:
        traits = [self._family.traits(encoding) for encoding in self._encodings.values()]
        accuracies = np.asarray([self._accuracies[identity] for identity in self._encodings])
        return _Regression(traits, accuracies, self._seed)


class _Regression:
    """Boosted trees on how often each trait occurs (Friedman 2001, "Greedy Function Approximation")."""

    def __init__(self, traits: Sequence[Sequence[str]], accuracies: Array, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor  # a slow import that only this needs

        seen = Counter(trait for one in traits for trait in set(one))
        common = sorted(trait for trait, count in seen.items() if count >= _LEAST)
        self._columns = {trait: column for column, trait in enumerate(common)}
        rows = np.stack([self._row(one) for one in traits])
        order = np.random.default_rng(seed).permutation(len(rows))
        held, fitted = order[: len(rows) // 10], order[len(rows) // 10 :]
        self._trees = HistGradientBoostingRegressor(
            max_iter=150, learning_rate=0.15, early_stopping=False, random_state=seed % 2**32
        )
        self._trees.fit(rows[fitted], accuracies[fitted])
        guesses = np.asarray(self._trees.predict(rows[held]), dtype=np.float64)
        self.quality = {
            "srcc": spearman(guesses, accuracies[held]),
            "mae": float(np.abs(guesses - accuracies[held]).mean()),
            "bias": float((guesses - accuracies[held]).mean()),
        }

    def predict(self, traits: Sequence[str]) -> float:
        """An accuracy in [0, 1]."""
        return float(np.clip(self._trees.predict(self._row(traits)[None, :])[0], 0.0, 1.0))

    def _row(self, traits: Sequence[str]) -> Array:
        row = np.zeros(len(self._columns))
        for trait, count in Counter(traits).items():
            if trait in self._columns:
                row[self._columns[trait]] = count
        return row
