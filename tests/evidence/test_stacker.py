from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from nas_assistant.errors import UserError
from nas_assistant.evidence import PREDICTOR, Pool, Stacker, aggregate_ranks, load_stacker, normal_scores


def _pool(seed: int, count: int = 200, *, comparable: bool = True, noise: float = 0.6) -> Pool:
    """Two independent views of the same truth and one of nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(count)
    view = truth + noise * rng.standard_normal(count)
    other = np.exp(truth + noise * rng.standard_normal(count))
    evidence = {PREDICTOR: 0.9 + 0.02 * view, "naswot": other, "nothing": rng.standard_normal(count)}
    return Pool(evidence, 0.9 + 0.025 * truth, comparable)


def _rank(score: np.ndarray, pool: Pool) -> float:
    return float(spearmanr(score, pool.accuracies)[0])


def test_normal_scores_follow_ranks_alone() -> None:
    values = np.asarray([3.0, -np.inf, 1.0, 1.0, np.nan])
    found = normal_scores(values)
    assert found[0] > found[2] == found[3] > found[1] == found[4]
    np.testing.assert_allclose(normal_scores(np.exp(values[[0, 2, 3]])), normal_scores(values[[0, 2, 3]]))
    assert found.mean() == pytest.approx(0, abs=0.1)


def test_ranks_together_are_better_than_apart() -> None:
    pool = _pool(0)
    together = aggregate_ranks([pool.evidence[PREDICTOR], pool.evidence["naswot"]])
    assert _rank(together, pool) > max(_rank(pool.evidence[n], pool) for n in (PREDICTOR, "naswot"))


def test_a_stacker_learns_what_tells_something() -> None:
    stacker = Stacker.fit([_pool(seed) for seed in range(3)], [PREDICTOR, "naswot", "nothing"])
    assert min(stacker.weights[PREDICTOR], stacker.weights["naswot"]) > 5 * stacker.weights["nothing"] >= 0
    new = _pool(9)
    assert _rank(stacker.score(new), new) > max(_rank(e, new) for e in new.evidence.values())


def test_evidence_that_is_wrong_is_not_turned_round() -> None:
    pools = [_pool(seed) for seed in range(3)]
    turned = [Pool({**p.evidence, "naswot": -p.evidence["naswot"]}, p.accuracies) for p in pools]
    assert Stacker.fit(turned, [PREDICTOR, "naswot"]).weights["naswot"] == 0


def test_the_interval_covers_a_pool_that_was_left_out() -> None:
    stacker = Stacker.fit([_pool(seed) for seed in range(4)], [PREDICTOR, "naswot"])
    new = _pool(9)
    assert new.accuracies is not None
    found = stacker.predict(new)
    inside = [one.interval[0] <= a <= one.interval[1] for one, a in zip(found, new.accuracies, strict=True)]
    assert 0.85 <= np.mean(inside) <= 0.97
    order = np.argsort([one.score for one in found])
    assert np.all(np.diff([found[i].accuracy for i in order]) >= 0)


def test_ranks_alone_do_not_calibrate() -> None:
    pools = [_pool(seed) for seed in range(3)]
    odd = _pool(5, comparable=False)
    shifted = Pool(odd.evidence, np.asarray(odd.accuracies) - 0.5, comparable=False)
    names = [PREDICTOR, "naswot"]
    assert Stacker.fit([*pools, shifted], names).half_width < 2 * Stacker.fit(pools, names).half_width


def test_one_network_is_what_the_predictor_says() -> None:
    stacker = Stacker({PREDICTOR: 1.0}, 0.5)
    found = stacker.predict(Pool({PREDICTOR: np.asarray([0.9])}))[0]
    assert found.accuracy == pytest.approx(0.9) and found.interval[0] < 0.9 < found.interval[1]


def test_missing_evidence_is_named() -> None:
    with pytest.raises(UserError, match="naswot"):
        Stacker({"naswot": 1.0}, 0.5).score(Pool({PREDICTOR: np.asarray([0.9, 0.8])}))


@pytest.mark.parametrize(
    ("pools", "message"),
    [([], "learned from one pool"), ([Pool({"naswot": np.arange(9.0)})], "one has none")],
)
def test_nothing_to_learn_from_is_told(pools: list[Pool], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Stacker.fit(pools, ["naswot"])


def test_without_comparable_pools_nothing_is_known_of_an_accuracy() -> None:
    stacker = Stacker.fit([_pool(seed, comparable=False) for seed in range(2)], [PREDICTOR])
    assert all(one.interval[0] == 0.0 and one.interval[1] > 0.999 for one in stacker.predict(_pool(3)))
    with pytest.raises(UserError, match="needs the evidence 'predictor'"):
        Stacker({"naswot": 1.0}, 0.1).predict(Pool({"naswot": np.arange(9.0)}))
    with pytest.raises(UserError, match="no stacker for 'predictor'"):
        load_stacker("predictor")


def test_as_json() -> None:
    stacker = Stacker({PREDICTOR: 1.0}, 0.5)
    assert json.loads(json.dumps(stacker.to_json())) == {"weights": {PREDICTOR: 1.0}, "half_width": 0.5}
