from __future__ import annotations

import random
from collections import Counter

import numpy as np

from nas_assistant.assistant._archive import Archive, Member


def _member(number: int, gain: float, parameters: int, angle: float) -> Member:
    return Member(number, gain, parameters, np.asarray([np.cos(angle), np.sin(angle)], dtype=np.float32))


def _numbers(archive: Archive) -> list[int]:
    return [member.number for member in archive.members]


def _archive(*gains_and_sizes: tuple[float, int], size: int) -> Archive:
    """Models that are not alike, the first the user's own."""
    first, *others = (_member(place, *one, 0.3 * place) for place, one in enumerate(gains_and_sizes))
    archive = Archive(first, size, alike=0.1)
    for member in others:
        archive.add(member)
    return archive


def test_of_two_that_are_alike_the_better_stays() -> None:
    archive = Archive(_member(0, 0.0, 10, 0.0), size=5, alike=0.1)
    for member in (_member(1, 0.2, 10, 1.0), _member(2, 0.1, 5, 1.1)):
        archive.add(member)
    assert _numbers(archive) == [1, 0]
    archive.add(_member(3, 0.3, 10, 0.9))
    archive.add(_member(4, 0.1, 10, 0.3))
    assert _numbers(archive) == [3, 4, 0]


def test_one_member_can_be_a_parent_for_ever() -> None:
    archive = _archive((0.0, 10), size=3)
    for _ in range(1000):
        archive.note(0)
    assert archive.draw(random.Random(0)) == 0


def test_a_full_archive_loses_what_is_dominated() -> None:
    archive = _archive((0.0, 10), (0.3, 30), (0.2, 20), (0.1, 25), size=3)
    # The last is worse than the third and larger; the first is the smallest.
    assert _numbers(archive) == [1, 2, 0]
    archive.add(_member(4, -0.1, 5, 1.5))
    assert _numbers(archive) == [1, 2, 0]  # nothing is dominated: the worst goes


def test_better_parents_are_drawn_more_often_and_each_the_less_the_more_it_was_one() -> None:
    archive = _archive((0.0, 10), (0.1, 10), (0.2, 10), size=3)
    draw = random.Random(0)
    drawn = Counter(archive.draw(draw) for _ in range(2000))
    assert drawn[2] > 3 * drawn[1] > 3 * drawn[0] > 0
    archive.note(2)
    archive.note(2)
    assert Counter(archive.draw(draw) for _ in range(2000)).most_common(1)[0][0] == 1


def test_chance_comes_from_the_seed() -> None:
    archive = _archive(*((number / 10, 10) for number in range(8)), size=8)
    first, second = ([archive.draw(random.Random(seed)) for seed in range(20)] for _ in range(2))
    assert first == second and len(set(first)) > 1
