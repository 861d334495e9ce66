from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nas_assistant.predictors import Prediction
from nas_assistant.similarity import (
    MeasuredSet,
    OwnData,
    Similarity,
    Transfer,
    from_sensitivity,
    to_sensitivity,
)

LEVEL, WIDE = (0.8, 0.8), (0.3, 0.95)


@pytest.fixture
def transfer() -> Transfer:
    return Transfer(slope=0.9, shift=0.2, scatter=0.1, pair_scatter=0.1, sets=3)


def _set(rng: np.random.Generator, shift: float, slope: float, noise: float, distance: float) -> MeasuredSet:
    known = rng.normal(2.5, 0.3, 2_000)
    other = 2.5 + shift + slope * (known - 2.5) + rng.normal(0, noise, 2_000)
    accuracies = from_sensitivity(known, 10)
    target = from_sensitivity(other, 100)
    return MeasuredSet.of(accuracies, target, accuracies, classes=100, distance=distance)


def test_a_fit_finds_what_the_sets_were_made_with() -> None:
    rng = np.random.default_rng(0)
    found = Transfer.fit([_set(rng, 0.4, 0.8, 0.05, 2.0), _set(rng, -0.4, 0.8, 0.05, 2.0)])
    assert found.slope == pytest.approx(0.8, abs=0.02)
    assert found.shift == pytest.approx(0.2, abs=0.01)
    assert found.pair_scatter == pytest.approx(0.05 * np.sqrt(2), rel=0.1)
    assert found.sets == 2


def test_networks_that_learned_nothing_are_left_out() -> None:
    found = MeasuredSet.of([0.1, 0.9], [0.01, 0.5], [0.3, 0.9], classes=100, distance=1)
    assert len(found.reference) == len(found.target) == len(found.predicted) == 1


def test_the_same_data_changes_nothing(transfer: Transfer) -> None:
    accuracy, interval = transfer.accuracy(0.9, (0.85, 0.93), 10, 0.0)
    assert (accuracy, *interval) == pytest.approx((0.9, 0.85, 0.93), abs=1e-3)
    gain, ends = transfer.gain(0.9, 0.02, (0.0, 0.03), 0.9, 10, 0.0)
    assert (gain, *ends) == pytest.approx((0.02, 0.0, 0.03), abs=1e-3)


def test_what_is_less_alike_is_less_certain(transfer: Transfer) -> None:
    widths = []
    for distance in (0.0, 0.5, 2.0, 8.0):
        accuracy, (low, high) = transfer.accuracy(0.9, (0.85, 0.93), 100, distance)
        assert 0 < low <= accuracy <= high <= 1
        assert accuracy == pytest.approx(float(from_sensitivity(to_sensitivity(0.9, 10), 100)))
        widths.append(high - low)
    assert widths == sorted(widths) and widths[-1] > 0.9


def test_fewer_measured_sets_are_less_certain(transfer: Transfer) -> None:
    few = dataclasses.replace(transfer, sets=1)
    for classes in (10, 100):
        _, (low, high) = transfer.accuracy(0.9, (0.88, 0.92), classes, 1.0)
        _, (lower, higher) = few.accuracy(0.9, (0.88, 0.92), classes, 1.0)
        assert lower < low and high < higher


def test_a_gain_is_surer_where_the_level_is_known(transfer: Transfer) -> None:
    known = transfer.gain(0.9, 0.02, (0.01, 0.03), 0.6, 10, 3.0)
    ranged = transfer.gain(0.9, 0.02, (0.01, 0.03), WIDE, 10, 3.0)
    assert known[1][0] >= ranged[1][0] and known[1][1] <= ranged[1][1]
    assert known[0] > 0.02  # where more is wrong, the same step of sensitivity is worth more
    assert transfer.gain(0.9, 0.02, (0.01, 0.03), 0.6, 10, 3.0) == known


def test_a_gain_goes_with_the_accuracies_beside_it(transfer: Transfer) -> None:
    for classes, distance in ((10, 3.0), (100, 1.0), (2, 6.0)):
        before, levels = transfer.accuracy(0.9, (0.88, 0.92), classes, distance)
        known = transfer.gain(0.9, 0.02, (0.01, 0.03), before, classes, distance)
        ranged = transfer.gain(0.9, 0.02, (0.01, 0.03), levels, classes, distance)
        assert ranged[0] == pytest.approx(known[0])


def test_the_bound_covers_a_set_that_it_was_not_fitted_to() -> None:
    rng = np.random.default_rng(1)
    transfer = Transfer.fit([_set(rng, s, 0.85, 0.05, 2.0) for s in (0.3, -0.2, 0.25)])
    new = _set(rng, -0.3, 0.8, 0.06, 2.0)
    known, truth = from_sensitivity(new.reference, 10), from_sensitivity(new.target, 100)
    levels, gains = [], []
    for i in range(300):
        low, high = transfer.accuracy(known[i], (known[i], known[i]), 100, 2.0)[1]
        levels.append(low <= truth[i] <= high)
        step = known[i + 1] - known[i]
        low, high = transfer.gain(known[i], step, (step, step), truth[i], 100, 2.0)[1]
        gains.append(low <= truth[i + 1] - truth[i] <= high)
    assert np.mean(levels) > 0.85 and np.mean(gains) > 0.85


def test_the_shipped_bound_was_fitted_to_three_sets() -> None:
    shipped = Transfer.load()
    assert shipped.sets == 3 and 0.5 < shipped.slope < 1 and shipped.shift > 0


def test_an_outlook(transfer: Transfer) -> None:
    own = OwnData(Similarity({"resolution": 1.0, "ranks": 0.25}, 0.75), 10, transfer)
    before = Prediction(0.9, (0.85, 0.93), 0.5, (1.0,))
    after = Prediction(0.92, (0.88, 0.95), 0.5, (1.0,))
    alone = own.outlook(before)
    assert alone.gain is None and alone.interval[0] < 0.85
    blind = own.outlook_of_gain(before, after, (0.0, 0.03))
    told = own.outlook_of_gain(before, after, (0.0, 0.03), measured=0.7)
    assert blind.accuracy == pytest.approx(0.92, abs=1e-3)
    assert told.gain is not None and told.gain_interval is not None and blind.gain_interval is not None
    assert told.accuracy == pytest.approx(0.7 + told.gain)
    assert told.interval == pytest.approx(tuple(0.7 + end for end in told.gain_interval))
    data = told.to_json()
    assert data["similarity"] == pytest.approx(2**-1.25, abs=1e-4) and data["gain"] == told.gain
    assert "resolution 1.0" in str(told)
