"""The search from an archive against the chain, at equal numbers of predictions.

Every run goes on for all its rounds, whatever it gains. Interrupted, the same command goes on; rows that are
in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import RESULTS, report

from nas_assistant.assistant import improve
from nas_assistant.predictors import Predictor

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("torch_*.py"))
NAME, TITLE = "search", "nas-assistant improve with the generator mutate, gain that counts by search"
_KEY = ("model", "search", "seed")


def run(path: Path, search: str, seed: int, rounds: int, predictor: Predictor) -> dict[str, Any]:
    """One row: the whole number of rounds, with no target in reach."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = improve(
            path,
            search=search,
            seed=seed,
            max_iterations=rounds,
            gain=0.99,
            predictor=predictor,
            run_dir=Path(folder) / "run",
        )
    counts = [entry.trusted_gain or 0.0 for entry in result.history]
    half = counts[: len(counts) // 2]
    return {
        "model": path.name,
        "search": search,
        "seed": seed,
        "gain": max(0.0, *counts),
        "gain_at_half": max(0.0, *half),
        "familiarity": result.prediction.familiarity - result.original_prediction.familiarity,
        "parameters": result.parameters[1] / result.parameters[0],
        "checks": len(counts),
        "valid": sum(entry.failure is None for entry in result.history),
        "parents": len({entry.parent for entry in result.history}),
        "seconds": round(time.perf_counter() - start, 1),
    }


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each search: the mean over models and seeds."""
    found = []
    for search in sorted({row["search"] for row in rows}):
        mine = [row for row in rows if row["search"] == search]
        numbers = [name for name, value in mine[0].items() if name != "seed" and not isinstance(value, str)]
        mean = {name: statistics.fmean(row[name] for row in mine) for name in numbers}
        found.append({"model": "mean", "search": search, "seed": f"{len(mine)} runs", **mean})
    return found


def main() -> None:
    """Run what is missing and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    path = RESULTS / f"{NAME}.json"
    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    rows = [row for row in rows if row["model"] != "mean"]
    done = {tuple(row[name] for name in _KEY) for row in rows}
    predictor = Predictor.load()
    for seed in range(arguments.seeds):
        for model in EXAMPLES:
            for search in ("chain", "population"):
                if (model.name, search, seed) not in done:
                    rows.append(run(model, search, seed, arguments.rounds, predictor))
                    report(NAME, TITLE, [*rows, *means(rows)])


if __name__ == "__main__":
    main()
