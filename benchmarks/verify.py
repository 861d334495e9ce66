"""Real trainings: pairs known to differ and pairs of equals, and how many predicted gains are real."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from _report import RESULTS, report

from nas_assistant.assistant import improve
from nas_assistant.verify import Recipe, Step, verify, verify_run

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "torch_cnn.py"
DIGITS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(width * 16, 10)

    def forward(self, x):
        return self.head(self.pool(torch.relu(self.norm(self.conv(x)))).flatten(1))
"""


def later(source: str, first: str, last: str, before: str) -> str:
    """A source whose lines from ``first`` to ``last`` come just before another: equal but for the weights."""
    lines = source.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if first in line)
    end = next(i for i, line in enumerate(lines) if i >= start and last in line) + 1
    block, rest = lines[start:end], lines[:start] + lines[end:]
    place = next(i for i, line in enumerate(rest) if before in line)
    return "".join((*rest[:place], *block, *rest[place:]))


def pairs(folder: Path) -> list[tuple[str, str, Path, Path, Recipe, int]]:
    """Data, what is known of the pair, the two files, the recipe and the seeds."""
    cnn = EXAMPLE.read_text(encoding="utf-8")
    small = cnn.replace("(3, 16,", "(3, 4,").replace("BatchNorm2d(16)", "BatchNorm2d(4)")
    small = small.replace("(16, 8,", "(4, 2,").replace("8 * 6 * 6", "2 * 6 * 6")
    texts = {
        "digits_cnn.py": DIGITS,
        "digits_small.py": DIGITS.replace("width=32", "width=4"),
        "digits_equal.py": later(DIGITS, "self.head = ", "self.head = ", "self.conv = "),
        "plain.py": (plain := DIGITS.replace("Conv2d(1,", "Conv2d(3,").replace("width * 16", "width * 256")),
        "plain_small.py": plain.replace("width=32", "width=2"),
        "plain_equal.py": later(plain, "self.head = ", "self.head = ", "self.conv = "),
        "cnn.py": cnn,
        "cnn_small.py": small,
        "cnn_equal.py": later(cnn, "self.fc1 = ", "self.final = ", "self.features = "),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    digits = Recipe(epochs=10)
    cifar = Recipe(epochs=4, train_images=10_000, val_images=2_000)
    return [
        ("digits", "differ", folder / "digits_small.py", folder / "digits_cnn.py", digits, 5),
        ("digits", "equal", folder / "digits_cnn.py", folder / "digits_equal.py", digits, 5),
        ("cifar10", "differ", folder / "cnn_small.py", folder / "cnn.py", cifar, 4),
        ("cifar10", "equal", folder / "cnn.py", folder / "cnn_equal.py", cifar, 4),
        ("cifar10", "differ", folder / "plain_small.py", folder / "plain.py", cifar, 4),
        ("cifar10", "equal", folder / "plain.py", folder / "plain_equal.py", cifar, 4),
    ]


def progress(step: Step) -> None:
    """A line on stderr for each epoch."""
    last = step.epochs[-1].accuracy if step.epochs else 0.0
    print(step.subject.name, step.seed, f"{len(step.epochs)}/{step.total}", f"{last:.4f}", file=sys.stderr)


def measure(
    folder: Path, data: str, known: str, first: Path, second: Path, recipe: Recipe, seeds: int
) -> dict[str, Any]:
    """One row."""
    began = time.perf_counter()
    found = verify(
        first,
        second,
        data=data,
        recipe=recipe,
        seeds=seeds,
        run_dir=folder / data,
        store=None,
        progress=progress,
    )
    verdict = found.verdict
    assert verdict is not None
    epochs = [epoch for one in (found.first, found.second) for run in one.runs.values() for epoch in run]
    return {
        "data": data,
        "pair": f"{first.stem}, {second.stem}",
        "known to": known,
        "first": found.first.curve(found.ends)[-1],
        "second": found.second.curve(found.ends)[-1],
        "difference": verdict.difference,
        "low": verdict.low,
        "high": verdict.high,
        "verdict": verdict.answer,
        "images": found.data["train"],
        "epochs": recipe.epochs,
        "seeds": seeds,
        "training minutes": sum(epoch.seconds for epoch in epochs) / 60,
        "minutes of this call": (time.perf_counter() - began) / 60,
    }


def measure_run(folder: Path, model: Path, data: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    """One search, and its best candidates trained: the predicted gain of the winner and the measured one."""
    began, run_dir = time.perf_counter(), folder / f"{model.stem}-{seed}"
    result = improve(model, data=data, seed=seed, run_dir=run_dir, resume=True)
    found = verify_run(
        run_dir, data=data, top=3, seeds=5, recipe=recipe, store=folder / "store", progress=progress
    )
    verdict = found.verification.verdict if found.verification is not None else None
    return {
        "model": model.name,
        "seed": seed,
        "candidates": len(result.history),
        "trained": len(found.standings) - 1,
        "winner": found.best,
        "predicted gain": found.predicted_gain,
        "measured gain": verdict.difference if verdict is not None else 0.0,
        "low": verdict.low if verdict is not None else 0.0,
        "high": verdict.high if verdict is not None else 0.0,
        "verdict": verdict.answer if verdict is not None else "the original won",
        "minutes of this call": (time.perf_counter() - began) / 60,
    }


def measure_runs(folder: Path, runs: int) -> None:
    """Searches on both models, each row on stderr as it is done."""
    pairs(folder)  # writes the models
    jobs = [
        (folder / "digits_cnn.py", "digits", Recipe(epochs=9, train_images=1_000)),
        (folder / "cnn.py", "cifar10", Recipe(epochs=9, train_images=2_000, val_images=2_000)),
    ]
    rows = []
    for model, data, recipe in jobs:
        for seed in range(runs // len(jobs)):
            rows.append(measure_run(folder / "runs", model, data, recipe, seed))
            print(rows[-1], file=sys.stderr, flush=True)
    report("verify_runs", "improve, and its three best candidates trained for real", rows)
    real = sum(row["verdict"] == "better" for row in rows)
    ahead = sum(row["measured gain"] > 0 for row in rows)
    print(f"Of {len(rows)} runs: {real} gains told apart from nothing, {ahead} measured above 0")


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("nas-runs/benchmark"), help="keeps the trainings")
    parser.add_argument("--pairs", nargs="+", default=["digits", "cnn", "plain"], help="begin of names")
    parser.add_argument("--runs", type=int, help="searches to verify instead, half on each model")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.runs:
        measure_runs(arguments.folder, arguments.runs)
        return
    wanted = [pair for pair in pairs(arguments.folder) if pair[2].name.startswith(tuple(arguments.pairs))]
    rows = [measure(arguments.folder, *pair) for pair in wanted]
    # What other pairs gave before stays.
    if (kept := RESULTS / "verify.json").is_file():
        before, again = json.loads(kept.read_text(encoding="utf-8"))["rows"], {row["pair"] for row in rows}
        rows = [row for row in before if row["pair"] not in again] + rows
    report("verify", "Pairs trained for real: told apart or not", rows)


if __name__ == "__main__":
    main()
