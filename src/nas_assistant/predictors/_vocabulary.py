"""Kinds of nodes that a predictor knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_assistant.encoders import CATEGORIES, MASKED, MOST_KERNEL, MOST_STRIDE, GraphArrays
from nas_assistant.graphs import Operation

_OPERATIONS = list(Operation)

_NOVELTY = 10.0
"""A network is wholly unfamiliar once a tenth of its nodes are of kinds that the training never showed."""


@dataclass(frozen=True)
class Vocabulary:
    """Kinds of nodes: operation, kernel and stride, as :data:`CATEGORIES` counts them.

    Attributes:
        kinds: Those of the training networks, and the dummy.
    """

    kinds: frozenset[tuple[int, ...]]

    @classmethod
    def of(cls, graphs: Iterable[GraphArrays]) -> Vocabulary:
        """The kinds of nodes of some graphs."""
        found = {kind for graph in graphs for kind in _kinds(graph)}
        return cls(frozenset({*found, (MASKED, *[0] * (_COLUMNS - 1))}))

    def unseen(self, graph: GraphArrays) -> tuple[tuple[str, ...], float]:
        """Names of the kinds of nodes that are not among these, and their share of the nodes."""
        strange = {kind: count for kind, count in _kinds(graph).items() if kind not in self.kinds}
        names = dict.fromkeys(self._name(kind) for kind in strange)
        return tuple(names), sum(strange.values()) / max(len(graph), 1)

    def to_json(self) -> list[list[int]]:
        """As plain data."""
        return [list(kind) for kind in sorted(self.kinds)]

    @classmethod
    def from_json(cls, data: Any) -> Vocabulary:
        """Inverse of :meth:`to_json`."""
        return cls(frozenset(tuple(int(value) for value in kind) for kind in data))

    def _name(self, kind: tuple[int, ...]) -> str:
        operation, height, width, stride = kind
        name = str(_OPERATIONS[operation]) if operation < len(_OPERATIONS) else "dummy"
        if all(known[0] != operation for known in self.kinds) or not height:
            return name
        kernel = "x".join(_size(side, MOST_KERNEL) for side in (height, width))
        return f"{name} {kernel}" + (f" stride {_size(stride, MOST_STRIDE)}" if stride > 1 else "")


def _size(value: int, most: int) -> str:
    return f"{value}+" if value == most else str(value)


def familiar_share(unseen: float) -> float:
    """What is left of a familiarity when so large a share of the nodes is of unseen kinds."""
    return max(0.0, 1.0 - _NOVELTY * unseen)


_COLUMNS = CATEGORIES.index("stride") + 1


def _kinds(graph: GraphArrays) -> dict[tuple[int, ...], int]:
    rows, counts = np.unique(graph.categories[:, :_COLUMNS], axis=0, return_counts=True)
    return {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}
