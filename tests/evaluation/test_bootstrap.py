"""Bootstrap intervals against a plain loop over the same resamples."""

from __future__ import annotations

import numpy as np
import pytest

from nas_assistant.evaluation import _bootstrap, bootstrap_intervals, rank_metrics


def example(networks: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    accuracies = np.round(rng.random(networks), 2)  # with ties
    return np.round(accuracies + rng.normal(0, 0.3, networks), 1), accuracies


@pytest.mark.parametrize("pairs_in_a_matrix", [True, False])
def test_intervals_are_those_of_a_plain_loop(
    pairs_in_a_matrix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, accuracies = example()
    monkeypatch.setattr(_bootstrap, "_CELLS", 60 * 64)  # several blocks, the last one smaller
    monkeypatch.setattr(_bootstrap, "_MATRIX", 60 if pairs_in_a_matrix else 59)
    intervals = bootstrap_intervals(scores, accuracies, resamples=200, seed=3)
    rows = [row for block in _bootstrap._draws(60, 200, 3) for row in block]
    plain = [rank_metrics(scores[row], accuracies[row]) for row in rows]
    assert len(rows) == 200 and set(intervals) == set(plain[0])
    # In a resample, the top decile keeps the threshold of the sample.
    for name in set(intervals) - {"srcc_top_decile"}:
        expected = np.quantile([metrics[name] for metrics in plain], [0.05, 0.95])
        assert intervals[name] == pytest.approx(tuple(expected), abs=1e-5), name
    low, high = intervals["srcc_top_decile"]
    assert -1.0 <= low < rank_metrics(scores, accuracies)["srcc_top_decile"] < high <= 1.0


def test_intervals_narrow_with_more_networks_and_depend_on_the_seed_alone() -> None:
    widths = []
    for networks in (50, 800):
        scores, accuracies = example(networks)
        low, high = bootstrap_intervals(scores, accuracies, resamples=300)["srcc"]
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]
    first, again, other = (bootstrap_intervals(*example(), resamples=50, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_constant_scores_have_no_correlation() -> None:
    intervals = bootstrap_intervals(np.zeros(30), np.linspace(0.1, 0.9, 30), resamples=20)
    assert intervals["srcc"] == intervals["kendall"] == intervals["srcc_top_decile"] == (0.0, 0.0)
