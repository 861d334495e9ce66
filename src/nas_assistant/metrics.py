"""How well a ranking agrees with measured accuracies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

Array = npt.NDArray[np.float64]


def spearman(scores: Array, accuracies: Array) -> float:
    """Spearman's rank correlation; 0 when either side is constant."""
    return 0.0 if _constant(scores, accuracies) else float(spearmanr(scores, accuracies).statistic)


def top_decile(accuracies: Array) -> npt.NDArray[np.bool_]:
    """Which networks are among the best tenth by measured accuracy, ties with the last of them included."""
    return np.asarray(accuracies >= np.quantile(accuracies, 0.9, method="higher"))


def spearman_top_decile(scores: Array, accuracies: Array) -> float:
    """Spearman's rank correlation among the networks of the true top decile; 0 when they cannot be ranked."""
    best = top_decile(accuracies)
    return spearman(scores[best], accuracies[best]) if best.sum() > 1 else 0.0


def kendall(scores: Array, accuracies: Array) -> float:
    """Kendall's tau-b; 0 when either side is constant."""
    return 0.0 if _constant(scores, accuracies) else float(kendalltau(scores, accuracies).statistic)


def _constant(scores: Array, accuracies: Array) -> bool:
    return bool(np.ptp(scores) == 0 or np.ptp(accuracies) == 0)


def ndcg(scores: Array, accuracies: Array, top: int = 10, floor: float = 0.0) -> float:
    """Normalised discounted cumulative gain of the best ``top`` (Mishra 2023, section 3.2).

    Relevance runs linearly from 0 to 20 between the family's ``floor`` quantile (its minimum by default) and
    its maximum, and is 0 below. Where all are equally good, it is 0.
    """
    low, high = np.quantile(accuracies, floor), accuracies.max()
    relevance = 20.0 * np.clip((accuracies - low) / max(high - low, 1e-12), 0.0, 1.0)
    discounts = 1.0 / np.log2(np.arange(2, top + 2))
    chosen = relevance[np.argsort(-scores, kind="stable")[:top]]
    ideal = np.sort(relevance)[::-1][:top]
    most = (ideal * discounts[: len(ideal)]).sum()
    return float((chosen * discounts[: len(chosen)]).sum() / most) if most > 0 else 0.0


def regret(scores: Array, accuracies: Array, top: int = 10) -> float:
    """Best accuracy of all less the best among the ``top`` by score."""
    return float(accuracies.max() - accuracies[np.argsort(-scores, kind="stable")[:top]].max())


def rank_metrics(scores: Array, accuracies: Array) -> dict[str, float]:
    """Every ranking metric by name, and the mean absolute error."""
    return {
        "srcc": spearman(scores, accuracies),
        "srcc_top_decile": spearman_top_decile(scores, accuracies),
        "kendall": kendall(scores, accuracies),
        "ndcg10": ndcg(scores, accuracies),
        "ndcg10_floor20": ndcg(scores, accuracies, floor=0.2),
        "regret10": regret(scores, accuracies),
        "mae": float(np.abs(scores - accuracies).mean()),
    }
