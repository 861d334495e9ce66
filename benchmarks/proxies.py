"""Zero-cost proxies on NAS-Bench-201: correlation with accuracy, agreement with published values, seconds.

Every network is a line of ``results/proxies/nb201.jsonl`` for each run that scored it; what is there is not
scored again, so an interrupted run goes on, and costly proxies can be run on fewer networks than cheap ones:

    python benchmarks/proxies.py --networks 1000 --proxies params flops l2_norm synflow
    python benchmarks/proxies.py --networks 200
    python benchmarks/proxies.py --networks 1000 --seed 1 --proxies grasp
    python benchmarks/proxies.py --networks 1000 --own-draws --proxies grasp
    python benchmarks/proxies.py --report
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import random
import time
import zlib
from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from _report import RESULTS, report
from rich.progress import track

from nas_assistant.evaluation import spearman
from nas_assistant.families import find_data_root
from nas_assistant.families.nb201 import NB201Cell, NB201Network
from nas_assistant.proxies import Score, get_proxy, list_proxies, make_probe, score_probe
from nas_assistant.sources._score import load_minibatch

REFERENCE = "nb201_zero_cost_reference.csv.gz"
LINES = RESULTS / "proxies" / "nb201.jsonl"
BATCH = 64
PUBLISHED = {"naswot": "nwot"}  # where the column has another name
Scores = dict[str, dict[str, Score]]


def read_reference(count: int) -> list[dict[str, str]]:
    """The first ``count`` rows of a random order; a larger count only adds rows."""
    with gzip.open(find_data_root() / REFERENCE, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    return rows[:count]


def read_lines() -> dict[str, Scores]:
    """What was scored so far, by draw, network and proxy; a line that was cut short is left out."""
    found: dict[str, Scores] = defaultdict(dict)
    for line in LINES.read_text(encoding="utf-8").splitlines() if LINES.is_file() else ():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        for name, (value, parts, seconds) in data["scores"].items():
            score = Score(name, value, None, parts, seconds)
            found[str(data["seed"])].setdefault(data["arch"], {})[name] = score
    return found


def write_line(arch: str, scores: list[Score], draw: int | str) -> None:
    """Add a network: value, parts and seconds of each proxy; a fault is a value of null without parts."""
    kept = {s.proxy: (s.value and float(f"{s.value:.7g}"), _rounded(s), round(s.seconds, 3)) for s in scores}
    LINES.parent.mkdir(parents=True, exist_ok=True)
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"arch": arch, "seed": draw, "scores": kept}, separators=(",", ":")) + "\n")


def _rounded(score: Score) -> dict[str, float]:
    return {name: float(f"{part:.7g}") for name, part in score.parts.items()}


def measure(rows: list[dict[str, str]], names: list[str], seed: int, own_draws: bool) -> None:
    """Score every network that lacks one of the proxies.

    With own draws a network has weights and a minibatch of its own, as where the published values come from;
    without, all share one draw, as where two networks are compared.
    """
    wanted = [get_proxy(name) for name in names]
    draw = f"{seed}, own" if own_draws else seed
    done = read_lines()[str(draw)]
    for row in track(rows, "networks"):
        arch = row["arch_str"]
        missing = [proxy for proxy in wanted if proxy.name not in done.get(arch, {})]
        if missing:
            chosen = zlib.crc32(f"{seed} {arch}".encode()) if own_draws else seed
            probe = make_probe(build(row), *read_minibatch(chosen), seed=chosen)
            write_line(arch, score_probe(probe, missing), draw)


@lru_cache(maxsize=1)
def read_minibatch(seed: int) -> tuple[Any, Any]:
    """Images and labels; channels last, which gives the same scores in two thirds of the time."""
    archive = find_data_root() / "cifar10_imagefolder.zip"
    values, labels = load_minibatch({"kind": "zip", "path": str(archive)}, BATCH, seed, [])
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), labels


def build(row: dict[str, str]) -> torch.nn.Module:
    """The network of a row of the reference, at the width and depth of the benchmark."""
    return NB201Network(NB201Cell.from_string(row["arch_str"])).to(memory_format=torch.channels_last)


def tabulate(rows: list[dict[str, str]], seconds: dict[str, float]) -> list[dict[str, Any]]:
    """A row for each proxy and draw: on the networks it scored, ours and the published values."""
    return [
        {
            "proxy": name,
            "draw": draw,
            **_row(name, scored, done),
            "seconds alone": seconds.get(name, math.nan),
        }
        for name in list_proxies()
        for draw, done in sorted(read_lines().items())
        if (scored := [row for row in rows if name in done.get(row["arch_str"], {})])
    ]


def _row(name: str, scored: list[dict[str, str]], done: Scores) -> dict[str, Any]:
    accuracy = np.asarray([float(row["cifar10_val_acc"]) for row in scored])
    found = [done[row["arch_str"]][name] for row in scored]
    ours = np.asarray(get_proxy(name).combine(found))
    column = PUBLISHED.get(name, name)
    published = np.asarray([float(row[column]) for row in scored]) if column in scored[0] else None
    return {
        "networks": len(scored),
        "faults": sum(s.value is None and not s.parts for s in found),
        "SRCC": _rank(ours, accuracy),
        "published SRCC": None if published is None else _rank(published, accuracy),
        "difference": None if published is None else _rank(ours, accuracy) - _rank(published, accuracy),
        "agreement": None if published is None else _rank(ours, published),
    }


def _rank(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation; a fault ranks last."""
    return spearman(np.maximum(a, -1e30), b)


def time_alone(rows: list[dict[str, str]], names: list[str]) -> dict[str, float]:
    """Median processor seconds of each proxy by itself, with nothing shared."""
    images, labels = read_minibatch(0)
    found: dict[str, list[float]] = {name: [] for name in names}
    for row in track(rows, "timing"):
        for name in names:
            probe = make_probe(build(row), images, labels)
            start = time.thread_time()
            score_probe(probe, [get_proxy(name)])
            found[name].append(time.thread_time() - start)
    return {name: float(np.median(times)) for name, times in found.items()}


def main() -> None:
    """Score what is missing, or report what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=1_000, help="networks of the reference")
    parser.add_argument("--proxies", nargs="+", default=list_proxies())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--own-draws", action="store_true", help="a draw for each network, not one for all")
    parser.add_argument("--report", action="store_true", help="time each proxy on a few networks and report")
    parser.add_argument("--timed", type=int, default=5, help="networks to time each proxy on, for the report")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_reference(arguments.networks)
    if not arguments.report:
        measure(rows, arguments.proxies, arguments.seed, arguments.own_draws)
        return
    seconds = time_alone(rows[: arguments.timed], arguments.proxies)
    report(
        "proxies", "Zero-cost proxies on NAS-Bench-201, CIFAR-10, a minibatch of 64", tabulate(rows, seconds)
    )


if __name__ == "__main__":
    main()
