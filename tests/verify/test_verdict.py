from __future__ import annotations

import numpy as np
import pytest

from nas_assistant.verify import judge


def draw(seed: int, seeds: int, samples: int, gain: float, spread: float) -> tuple[list, list]:
    """Which of some samples two models got right; the second is better by about ``gain / 4``."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(1, 1.5, samples)
    first, second = (
        [ease + shift + rng.normal(0, spread) + rng.normal(0, 0.7, samples) > 0 for _ in range(seeds)]
        for shift in (0.0, gain)
    )
    return first, second


@pytest.mark.parametrize(("gain", "answer"), [(0.6, "better"), (-0.6, "worse"), (0.0, "not told apart")])
def test_a_difference_and_none(gain: float, answer: str) -> None:
    verdict = judge(*draw(0, 5, 1000, gain, 0.02))
    assert verdict is not None and verdict.answer == answer
    assert verdict.low < verdict.difference < verdict.high
    assert verdict.seeds == 5 and verdict.wins + verdict.losses <= 5


@pytest.mark.parametrize(("seeds", "samples", "spread"), [(3, 360, 0.1), (5, 2000, 0.05), (2, 360, 0.02)])
def test_equals_are_told_apart_about_as_often_as_the_confidence_allows(
    seeds: int, samples: int, spread: float
) -> None:
    answers = [judge(*draw(run, seeds, samples, 0.0, spread)) for run in range(200)]
    wrong = sum(one is not None and one.answer != "not told apart" for one in answers)
    assert wrong <= 22  # at 5 %, chance gives more once in 1,000 runs


def test_a_wider_interval_for_more_confidence() -> None:
    pair = draw(1, 4, 500, 0.2, 0.05)
    narrow, wide = judge(*pair, 0.8), judge(*pair, 0.99)
    assert narrow is not None and wide is not None
    assert wide.low < narrow.low < narrow.high < wide.high


def test_models_that_are_right_alike_are_not_told_apart() -> None:
    right = [np.ones(50, dtype=bool)] * 3
    verdict = judge(right, right)
    assert verdict is not None
    assert (verdict.answer, verdict.low, verdict.high, verdict.sign_p) == ("not told apart", 0.0, 0.0, 1.0)


def test_one_pair_gives_no_verdict() -> None:
    assert judge(*draw(0, 1, 100, 1.0, 0.0)) is None
