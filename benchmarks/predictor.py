"""The predictor's table: each scorer, protocol and seed is a job; those that are done are not repeated."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from _families import FAMILIES
from _report import RESULTS

from nas_assistant.evaluation import (
    ABLATIONS,
    OURS,
    SHORT,
    Job,
    Networks,
    get_scorer,
    protocols,
    run_job,
    summarise,
)
from nas_assistant.evaluation.baselines import list_baselines


class Progress:
    """A line on stderr for a stage, every ten seconds and at its end."""

    def __init__(self, job: Job) -> None:
        self._label = f"{job.protocol.name} {job.scorer} seed {job.seed}"
        self._shown = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show where the stage is."""
        if done == total or time.monotonic() - self._shown > 10:
            self._shown = time.monotonic()
            print(f"{self._label}: {stage} {done}/{total}", file=sys.stderr, flush=True)


def jobs(scorers: list[str], names: list[str], families: list[str], seeds: list[int]) -> list[Job]:
    """All jobs, the quick ones first; what neither learns nor draws has one seed."""
    made = []
    for protocol in protocols(names, families):
        for seed in seeds:
            for scorer in scorers:
                if get_scorer(scorer).learns or scorer == "random" or seed == seeds[0]:
                    made.append(Job(scorer, protocol, seed))
    return sorted(made, key=lambda job: get_scorer(job.scorer).learns)


def show(rows: list[dict[str, Any]], scorers: list[str]) -> None:
    """SRCC of every scorer, a line for each view of a family."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "protocol", "family", "view", "n", *scorers, title="SRCC, mean of the seeds", title_justify="left"
    )
    lines: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        at = (row["protocol"], row["family"], row["view"], str(row["networks"]))
        lines.setdefault(at, {})[row["scorer"]] = row["srcc"]
    for at, values in lines.items():
        table.add_row(*at, *(f"{values[name]:.3f}" if name in values else "" for name in scorers))
    Console(width=150).print(table)


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scorers",
        nargs="+",
        default=[*list_baselines(), OURS],
        choices=[*list_baselines(), OURS, SHORT, *ABLATIONS],
    )
    parser.add_argument("--protocols", nargs="+", default=["zero_shot"], help="zero_shot, leave_one_out")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--learned", type=int, default=5_000, help="labelled networks of a family, at most")
    parser.add_argument("--ranked", type=int, default=1_000, help="networks of a family to rank, at most")
    parser.add_argument("--out", type=Path, default=RESULTS / "predictor", help="folder of the jobs' results")
    parser.add_argument("--list", action="store_true", help="only show which jobs are done")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = Networks(arguments.learned, arguments.ranked)
    chosen = jobs(arguments.scorers, arguments.protocols, arguments.families, arguments.seeds)
    if arguments.list:
        for job in chosen:
            state = "done" if job.path(arguments.out).is_file() else "missing"
            print(f"{state:8}{job.protocol.name:24}{job.scorer:16}seed {job.seed}")
        return
    results = [run_job(job, get_scorer(job.scorer), networks, arguments.out, Progress(job)) for job in chosen]
    show(list(summarise(results)), arguments.scorers)
    kept = [json.loads(path.read_text("utf-8")) for path in sorted(arguments.out.glob("*/*.json"))]
    content = {"title": "Rankings of every scorer, means over the seeds", "rows": list(summarise(kept))}
    arguments.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
