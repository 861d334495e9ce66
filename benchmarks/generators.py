"""First answers of the generators on the examples and on files of LEMUR; what is known is not asked again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from _report import RESULTS
from rich.console import Console
from rich.table import Table

from nas_assistant.evaluation import (
    AnswerFile,
    LoopRecords,
    Workshop,
    answer_row,
    example_files,
    lemur_files,
    measure_answers,
    tabulate_answers,
    tabulate_choices,
)
from nas_assistant.predictors import Predictor

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FREE = "format=whole_file,prompt=thesis_strict,answer_tokens=1536"
ROWS = ("mutate", "uniform", "llama_cpp:model=0.5b", "llama_cpp:model=1.5b")


def progress(row: str, file: str, number: int, total: int) -> None:
    """A line on stderr for each request."""
    print(f"{number}/{total} {row} {file}", file=sys.stderr, flush=True)


def main() -> None:
    """Ask what is missing, and report all that is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", nargs="*", default=list(ROWS), help=f"also e.g. llama_cpp:model=0.5b,{FREE}"
    )
    parser.add_argument("--examples", type=int, default=8, help="how many of the example files")
    parser.add_argument("--lemur", type=int, default=20, help="how many files of LEMUR")
    parser.add_argument("--tries", type=int, default=4, help="answers about each file")
    parser.add_argument("--longest", type=int, default=6_000, help="most characters of a LEMUR file")
    parser.add_argument("--threads", type=int, default=1, help="of a local model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--records", type=Path, default=RESULTS / "generators.jsonl", help="file of the answers"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    records = LoopRecords(arguments.records)
    with Workshop(Predictor.load()) as workshop:
        files: list[AnswerFile] = example_files(EXAMPLES)[: arguments.examples]
        if arguments.lemur:
            files += lemur_files(
                arguments.lemur, workshop, records, seed=arguments.seed, longest=arguments.longest
            )
        measure_answers(
            [answer_row(text) for text in arguments.rows],
            files,
            workshop,
            records,
            tries=arguments.tries,
            seed=arguments.seed,
            threads=arguments.threads,
            report=progress,
        )
    show(records)


def show(records: LoopRecords) -> None:
    """Print the tables of everything that is known, and keep them."""
    known = [record for record in records.all() if "row" in record["unit"]]
    answers, choices = tabulate_answers(known), tabulate_choices(known)
    draw("First answers: what can be used (95 % Wilson intervals)", answers)
    if choices:
        draw("What the first pick of an answer has to do with the scores shown", choices)
    title = "First answers of the generators"
    content = json.dumps({"title": title, "answers": answers, "choices": choices}, indent=1)
    (RESULTS / "generators.json").write_text(content + "\n", encoding="utf-8")


def draw(title: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """One table."""
    table = Table(title=title, title_justify="left")
    for column in lines[0]:
        table.add_column(column, justify="left" if isinstance(lines[0][column], str) else "right")
    for line in lines:
        table.add_row(*map(cell, line.values()))
    Console(width=220).print(table)


def cell(value: Any) -> str:
    """A value as text."""
    if isinstance(value, tuple | list):
        return " ".join(f"{end:.3f}" for end in value)
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
