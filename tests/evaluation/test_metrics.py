"""Ranking metrics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from nas_assistant.evaluation import ndcg, rank_metrics, regret, spearman, spearman_top_decile


def test_a_perfect_ranking_is_perfect() -> None:
    accuracies = np.linspace(0.5, 0.9, 40)
    metrics = rank_metrics(accuracies, accuracies)
    assert metrics["srcc"] == metrics["kendall"] == pytest.approx(1.0)
    assert metrics["ndcg10"] == metrics["ndcg10_floor20"] == pytest.approx(1.0)
    assert metrics["regret10"] == metrics["mae"] == 0.0


def test_ndcg_by_hand() -> None:
    accuracies = np.asarray([0.0, 0.5, 1.0])
    # Relevance 0, 10, 20; the order chosen is 0.5, 0, 1.
    gained = 10 / np.log2(2) + 0 / np.log2(3) + 20 / np.log2(4)
    best = 20 / np.log2(2) + 10 / np.log2(3) + 0 / np.log2(4)
    assert ndcg(np.asarray([2.0, 3.0, 1.0]), accuracies) == pytest.approx(gained / best)


def test_the_floor_takes_relevance_from_the_worst() -> None:
    accuracies = np.linspace(0.0, 1.0, 101)
    assert ndcg(-accuracies, accuracies, floor=0.2) == 0.0
    assert ndcg(-accuracies, accuracies) > 0.0


def test_regret_and_constant_scores() -> None:
    accuracies = np.asarray([0.9, 0.8, 0.7])
    assert regret(np.asarray([0.0, 1.0, 2.0]), accuracies, top=2) == pytest.approx(0.1)
    assert spearman(np.zeros(3), accuracies) == 0.0


def test_equal_accuracies_cannot_be_ranked() -> None:
    scores, same = np.arange(12.0), np.full(12, 0.9)
    assert rank_metrics(scores, same) == {
        **dict.fromkeys(("srcc", "srcc_top_decile", "kendall", "ndcg10", "ndcg10_floor20", "regret10"), 0.0),
        "mae": float(np.abs(scores - 0.9).mean()),
    }


def test_the_top_decile_is_ranked_apart() -> None:
    accuracies = np.linspace(0.0, 1.0, 101)
    scores = accuracies.copy()
    scores[-11:] = scores[-11:][::-1]  # the best eleven upside down
    assert spearman(scores, accuracies) > 0.99
    assert spearman_top_decile(scores, accuracies) == pytest.approx(-1.0)
    assert spearman_top_decile(scores, np.full(101, 0.5)) == 0.0
