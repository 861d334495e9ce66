"""The loop on benchmark networks, held against their labels; units that are done are not repeated."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from _report import RESULTS

from nas_assistant.cli import show_loop
from nas_assistant.evaluation import LOOP_FAMILIES, LOOP_ROWS, LoopSettings, measure_loop


def progress(family: str, row: str, number: int, total: int) -> None:
    """A line on stderr for each unit."""
    print(f"{number}/{total} {family} {row}", file=sys.stderr, flush=True)


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=list(LOOP_FAMILIES))
    parser.add_argument("--rows", nargs="+", default=list(LOOP_ROWS))
    parser.add_argument("--generators", nargs="+", default=[], help="further rows: NAME:option=value,...")
    parser.add_argument("--networks", type=int, default=50, help="of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--predictor", help="checkpoint folder or name; the shipped one by default")
    parser.add_argument(
        "--records",
        type=Path,
        default=RESULTS / "loop.jsonl",
        help="file of the units, which names the report",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = LoopSettings(networks=arguments.networks, seed=arguments.seed)
    found = measure_loop(
        arguments.families,
        [*arguments.rows, *arguments.generators],
        settings,
        records=arguments.records,
        predictor=arguments.predictor,
        report=progress,
    )
    show_loop(found)
    content = json.dumps({"title": "The loop against the truth", **found}, indent=1)
    (RESULTS / f"{arguments.records.stem}.json").write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
