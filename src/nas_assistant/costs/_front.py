"""Pareto fronts of values that may be measured with noise, and their hypervolume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Value(NamedTuple):
    """One objective of one point, to be low.

    Attributes:
        value: What it is.
        low: Low end of its interval; the value itself where that is exact.
        high: High end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Value:
        """A value without noise."""
        return cls(value, value, value)


Point = Sequence[Value]


def dominates(one: Point, other: Point) -> bool:
    """Whether one point is better in an objective and worse in none.

    Values whose intervals overlap count as equal, so that noise neither puts a point on a front nor takes it
    off.
    """
    pairs = list(zip(one, other, strict=True))
    return all(a.low <= b.high for a, b in pairs) and any(a.high < b.low for a, b in pairs)


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other one dominates, in their order."""
    return [
        index
        for index, point in enumerate(points)
        if not any(dominates(other, point) for other in points if other is not point)
    ]


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Volume between points, to be low, and a reference point (Zitzler and Thiele 1998).

    Computed as the sum of what each point adds to those after it (While et al. 2012, "WFG").

    Args:
        points: ``(points, objectives)``. What is not below the reference adds nothing.
        reference: ``(objectives,)``.
    """
    inside = [tuple(point) for point in points if all(a < b for a, b in zip(point, reference, strict=True))]
    total = 0.0
    for index, point in enumerate(inside):
        own = 1.0
        for value, most in zip(point, reference, strict=True):
            own *= most - value
        limited = {tuple(map(max, other, point)) for other in inside[index + 1 :]}
        total += own - hypervolume(_lowest(limited), reference)
    return total


def _lowest(points: set[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return sorted(
        point
        for point in points
        if not any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points
        )
    )
