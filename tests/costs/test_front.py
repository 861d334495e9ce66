from __future__ import annotations

import itertools
import random

import pytest

from nas_assistant.costs import (
    Value,
    bytes_text,
    dominates,
    hypervolume,
    pareto_front,
    parse_objectives,
    seconds_text,
)
from nas_assistant.errors import UserError


def _exact(*values: float) -> tuple[Value, ...]:
    return tuple(Value.exact(value) for value in values)


def test_the_front_of_exact_points() -> None:
    points = [_exact(1, 5), _exact(2, 2), _exact(3, 3), _exact(5, 1), _exact(2, 2)]
    assert pareto_front(points) == [0, 1, 3, 4]


def test_values_within_the_interval_count_as_equal() -> None:
    slow, same, fast = Value(10, 9, 11), Value(9.5, 8.6, 10.4), Value(5, 4, 6)
    better, worse = Value.exact(0.1), Value.exact(0.2)
    assert dominates((better, slow), (worse, same)), "a little slower is not slower"
    assert not dominates((worse, same), (worse, slow)), "a little faster is not faster"
    assert dominates((better, fast), (better, slow)) and not dominates((better, slow), (worse, fast))


def test_a_front_is_never_empty() -> None:
    draw = random.Random(0)
    for _ in range(50):
        middles = [draw.random() for _ in range(12)]
        widths = [0.5 * draw.random() for _ in range(12)]
        points = [
            (Value.exact(draw.choice((0.1, 0.2))), Value(m, m - w, m + w))
            for m, w in zip(middles, widths, strict=True)
        ]
        assert pareto_front(points)


def test_hypervolume_by_hand() -> None:
    assert hypervolume([(1, 1)], (2, 2)) == 1
    assert hypervolume([(0.5, 1.5), (1, 1), (1.5, 0.5)], (2, 2)) == pytest.approx(1.5)
    assert hypervolume([(1, 1), (1, 1), (3, 0), (1.2, 1.2)], (2, 2)) == 1
    assert hypervolume([], (2, 2)) == 0


def test_hypervolume_in_four_dimensions_against_counted_cells() -> None:
    draw = random.Random(1)
    points = [tuple(draw.randrange(4) for _ in range(4)) for _ in range(12)]
    cells = itertools.product(range(4), repeat=4)
    covered = sum(
        any(all(a <= c for a, c in zip(point, cell, strict=True)) for point in points) for cell in cells
    )
    assert hypervolume(points, (4, 4, 4, 4)) == pytest.approx(covered)


def test_objectives_are_put_in_order() -> None:
    assert parse_objectives("params, Accuracy,latency") == ("accuracy", "latency", "params")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy,latancy", "did you mean latency"),
        ("accuracy", "accuracy,latency"),
        ("latency,params", "give accuracy and"),
        ("", "accuracy,latency"),
    ],
)
def test_bad_objectives(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_objectives(text)


def test_units() -> None:
    assert [seconds_text(value) for value in (2.5, 0.0123, 4.2e-5)] == ["2.5 s", "12.3 ms", "42 µs"]
    assert [bytes_text(value) for value in (12, 1500, 2.5e6, 3e9)] == ["12 B", "1.5 kB", "2.5 MB", "3 GB"]
