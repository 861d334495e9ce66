from __future__ import annotations

import random
from collections import Counter

from nas_assistant.assistant._bandit import choose_generator

NAMES = ["one", "other"]


def _share(paid: list[tuple[str, list[bool]]]) -> float:
    drawn = Counter(choose_generator(NAMES, paid, random.Random(seed)) for seed in range(400))
    return drawn["one"] / 400


def test_what_paid_is_asked_more_often() -> None:
    assert 0.4 < _share([]) < 0.6
    assert _share([("one", [True, True, False]), ("other", [False, False, False])]) > 0.8
    assert _share([("one", [False]), ("other", [True] * 3)]) < 0.25


def test_the_less_is_known_the_more_is_tried() -> None:
    little = [("one", [True, False])]
    much = [("one", [True, False] * 50), ("other", [False] * 50)]
    assert _share(little) < _share(much)


def test_an_answer_without_proposals_did_not_pay() -> None:
    assert _share([("one", [])] * 6) < 0.2


def test_one_alone_needs_no_draw() -> None:
    draw = random.Random(0)
    before = draw.getstate()
    assert choose_generator(["one"], [], draw) == "one" and draw.getstate() == before
