"""Bootstrap intervals of the ranking metrics, many resamples at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from nas_assistant.metrics import Array, top_decile

Counts = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_CELLS = 4_000_000
"""Bound on the numbers of one block of resamples."""

_MATRIX = 4_096
"""Networks up to which all pairs are compared in one matrix."""

_TOP = 10


def bootstrap_intervals(
    scores: Array, accuracies: Array, *, resamples: int = 1_000, seed: int = 0, coverage: float = 0.9
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of every metric of :func:`rank_metrics` (Efron and Tibshirani 1993, section 13.3).

    Networks are drawn with replacement, and a resample is treated as the sample is, except that the true top
    decile keeps the threshold of the sample. One seed draws the same resamples for every scorer.

    Args:
        scores: ``(networks,)``.
        accuracies: ``(networks,)``, in [0, 1].
        resamples: How many.
        seed: Of the draw.
        coverage: Of the intervals.

    Returns:
        Lower and upper end by the metric's name.
    """
    drawn: dict[str, list[Array]] = {}
    concordance = _concordance(scores, accuracies) if len(scores) <= _MATRIX else None
    best = top_decile(accuracies)
    for chosen in _draws(len(scores), resamples, seed):
        counts = _counts(chosen, len(scores))
        block = {
            "srcc": _spearman(scores, accuracies, counts),
            "srcc_top_decile": _spearman(scores[best], accuracies[best], counts[:, best]),
            "kendall": _kendall(scores, accuracies, chosen, counts, concordance),
            **_top_metrics(scores, accuracies, chosen),
            "mae": np.abs(scores - accuracies)[chosen].mean(axis=1),
        }
        for name, values in block.items():
            drawn.setdefault(name, []).append(values)
    tail = 0.5 * (1.0 - coverage)
    intervals: dict[str, tuple[float, float]] = {}
    for name, blocks in drawn.items():
        low, high = np.quantile(np.concatenate(blocks), [tail, 1.0 - tail])
        intervals[name] = (float(low), float(high))
    return intervals


def _draws(networks: int, resamples: int, seed: int) -> Iterator[Indices]:
    """Blocks of resamples, ``(block, networks)``: indices of the networks drawn."""
    rng = np.random.default_rng([seed, networks])
    block = max(1, _CELLS // networks)
    for start in range(0, resamples, block):
        yield rng.integers(networks, size=(min(block, resamples - start), networks))


def _counts(chosen: Indices, networks: int) -> Counts:
    """How often each network was drawn, ``(block, networks)``."""
    offsets = np.arange(len(chosen))[:, None] * networks
    counts = np.bincount((chosen + offsets).ravel(), minlength=len(chosen) * networks)
    return counts.reshape(len(chosen), networks).astype(np.float32)


def _spearman(scores: Array, accuracies: Array, counts: Counts) -> Array:
    """Spearman's correlation of every resample; 0 where one side is constant."""
    if len(scores) < 2:
        return np.zeros(len(counts))
    total = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    ranks = [_ranks(values, counts) for values in (scores, accuracies)]
    # The ranks of a resample of this size have this mean whatever their ties.
    first, second = (np.where(counts > 0, one - 0.5 * (total + 1.0), 0.0) for one in ranks)
    weighted = counts * first
    covariance = (weighted * second).sum(axis=1)
    variances = (weighted * first).sum(axis=1) * (counts * second * second).sum(axis=1)
    return np.asarray(covariance / np.sqrt(np.where(variances > 0, variances, np.inf)))


def _ranks(values: Array, counts: Counts) -> Array:
    """Rank of every network in every resample, ties at their mean, ``(block, networks)``."""
    masses, groups = _group_masses(values, counts)
    middles = np.cumsum(masses, axis=1) - 0.5 * (masses - 1.0)
    return np.asarray(middles[:, groups])


def _group_masses(values: Array, counts: Counts) -> tuple[Array, Indices]:
    """Draws of each distinct value, ascending, ``(block, distinct)``, and the place of every network's."""
    _, groups = np.unique(values, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    return np.add.reduceat(counts[:, order], starts, axis=1, dtype=np.float64), groups


def _concordance(scores: Array, accuracies: Array) -> Counts:
    """1 where two networks are ordered alike by both, -1 where not, 0 for ties; ``(networks, networks)``."""
    signs = [np.sign(v[:, None] - v[None, :]).astype(np.float32) for v in (scores, accuracies)]
    return np.asarray(signs[0] * signs[1], dtype=np.float32)


def _kendall(
    scores: Array, accuracies: Array, chosen: Indices, counts: Counts, concordance: Counts | None
) -> Array:
    """Kendall's tau-b of every resample; 0 where one side is constant."""
    if concordance is None:
        taus = [kendalltau(scores[row], accuracies[row]).statistic for row in chosen]
        return np.asarray(np.nan_to_num(np.asarray(taus)))
    difference = 0.5 * ((counts @ concordance) * counts).sum(axis=1, dtype=np.float64)
    pairs = 0.5 * scores.size * (scores.size - 1)
    untied = np.ones(len(counts))
    for values in (scores, accuracies):
        masses, _ = _group_masses(values, counts)
        untied *= pairs - 0.5 * (masses * (masses - 1.0)).sum(axis=1)
    return np.asarray(difference / np.sqrt(np.where(untied > 0, untied, np.inf)))


def _top_metrics(scores: Array, accuracies: Array, chosen: Indices) -> dict[str, Array]:
    """Both NDCG@10 and the regret of the best ten, of every resample."""
    networks = len(scores)
    top = min(_TOP, networks)
    _, places = np.unique(-scores, return_inverse=True)
    # Ties fall to the network drawn first, as those of a sample fall to the one listed first.
    keys = places[chosen] * networks + np.arange(networks)
    columns = np.partition(keys, top - 1, axis=1)[:, :top]
    columns.sort(axis=1)
    drawn = accuracies[chosen]
    picked = np.take_along_axis(drawn, columns % networks, axis=1)
    ideal = -np.sort(np.partition(-drawn, top - 1, axis=1)[:, :top], axis=1)
    discounts = 1.0 / np.log2(np.arange(2, top + 2))
    metrics: dict[str, Array] = {}
    for name, floor in (("ndcg10", 0.0), ("ndcg10_floor20", 0.2)):
        low = np.quantile(drawn, floor, axis=1)[:, None]
        gained, best = (np.clip(one - low, 0.0, None) @ discounts for one in (picked, ideal))
        metrics[name] = np.where(best > 0, gained / np.where(best > 0, best, 1.0), 0.0)
    metrics["regret10"] = ideal[:, 0] - picked.max(axis=1)
    return metrics
