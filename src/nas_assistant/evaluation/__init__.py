"""Evaluation: rankings against measured accuracies, beside baselines."""

from nas_assistant.evaluation._metrics import kendall, ndcg, rank_metrics, regret, spearman

__all__ = ["kendall", "ndcg", "rank_metrics", "regret", "spearman"]
