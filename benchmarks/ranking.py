"""Zero-shot ranking of every family beside random, parameters, FLOPs and depth."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from _report import report

from nas_assistant.evaluation import evaluate
from nas_assistant.families import list_families
from nas_assistant.predictors import Predictor


def main() -> None:
    """Evaluate and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictor", help="checkpoint folder or name; the shipped one by default")
    parser.add_argument("--networks", type=int, default=2_000, help="networks of each family")
    parser.add_argument("--families", nargs="+", default=list_families())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(arguments.predictor)
    rows: list[dict[str, Any]] = []
    for family in arguments.families:
        for result in evaluate(family, predictor, networks=arguments.networks):
            for row in result.rows:
                rows.append(
                    {
                        "family": result.family,
                        "networks": f"{result.networks} ({result.view})",
                        "deviation": result.accuracy["std"],
                        "scorer": row.scorer,
                        "srcc": row.metrics["srcc"],
                        "kendall": row.metrics["kendall"],
                        "ndcg10": row.metrics["ndcg10"],
                        "ndcg10_floor20": row.metrics["ndcg10_floor20"],
                        "regret10": row.metrics["regret10"],
                        "coverage": result.coverage if row.scorer == "predictor" else None,
                    }
                )
    trained = predictor.metadata.get("data", {}).get("family", "unknown")
    report("ranking", f"Ranking by a predictor trained on {trained}, unseen networks", rows)


if __name__ == "__main__":
    main()
