from __future__ import annotations

import numpy as np
import pytest

from nas_assistant.verify import extrapolate, sparkline
from nas_assistant.verify._curve_families import FAMILIES, hill3, ilog2, janoschek, pow3

X = np.arange(1, 41, dtype=float)
CURVES = {
    "pow3": pow3(X, 0.9, 0.6, 0.8),
    "janoschek": janoschek(X, 0.8, 0.1, 0.2, 0.9),
    "hill3": hill3(X, 0.95, 1.2, 3.0),
    "ilog2": ilog2(X, 0.9, 0.3),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_of_a_family_is_carried_on(name: str) -> None:
    rng = np.random.default_rng(0)
    seen = CURVES[name][:15] + rng.normal(0, 0.003, 15)
    found = extrapolate(list(seen), 40)
    assert found is not None
    assert found.mean == pytest.approx(CURVES[name][-1], abs=0.03)
    assert found.interval[0] < CURVES[name][-1] < found.interval[1]
    assert sum(found.weights.values()) == pytest.approx(1)


def test_all_families_can_be_fitted_and_have_a_number_at_the_first_epoch() -> None:
    assert len(FAMILIES) == 11
    for family, begin in FAMILIES.items():
        assert np.isfinite(family(X, *begin)).all(), family.__name__


def test_a_longer_way_is_less_certain() -> None:
    seen = list(CURVES["pow3"][:8] + np.random.default_rng(1).normal(0, 0.01, 8))
    near, far = extrapolate(seen, 10), extrapolate(seen, 200)
    assert near is not None and far is not None and far.deviation > near.deviation


def test_the_better_of_two_curves_is_known_early() -> None:
    good, bad = (extrapolate(list(curve[:8]), 40) for curve in (CURVES["pow3"], CURVES["pow3"] - 0.2))
    assert good is not None and bad is not None
    assert good.above(bad) > 0.95 and bad.above(good) < 0.05
    assert good.above(good) == pytest.approx(0.5)


@pytest.mark.parametrize("curve", [[0.1] * 6, [0.9, 0.5, 0.3, 0.2, 0.1], [0.0, 1.0, 0.0, 1.0, 0.0]])
def test_curves_of_no_family_stay_within_reason(curve: list[float]) -> None:
    found = extrapolate(curve, 50)
    assert found is not None and 0 <= found.interval[0] <= found.interval[1] <= 1


def test_too_short_a_curve_says_nothing() -> None:
    assert extrapolate([0.1, 0.2, 0.3], 10) is None


def test_a_sparkline() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.5, 0.5]) == "▁▁"
    assert sparkline([0.5], 0.0, 1.0) == "▅"
    assert sparkline([]) == ""
