"""How sure measured latencies are: is a network told apart from itself, and from a slightly larger one?"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

from _report import report

from nas_assistant.sources import Sandbox, Timing, measure_latency

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RESIDUAL, MOBILENET = ("torch_residual.py", "build_model"), ("torch_mobilenet.py", "MobileNet")
PAIRS = (
    ("residual against itself", *RESIDUAL, "", ""),
    ("residual, 6 % wider", *RESIDUAL, "widths=(16, 32, 64)", "widths=(17, 34, 68)"),
    ("mobilenet against itself", *MOBILENET, "", ""),
    ("mobilenet, one block more", *MOBILENET, "(64, 2, 2))", "(64, 2, 3))"),
    ("keras residual against itself", "keras_residual.py", None, "", ""),
)


def row(pair: tuple[str, str, str | None, str, str], times: int, timing: Timing) -> dict[str, Any]:
    """Measure a pair a few times, each time in a process of its own."""
    name, file, entry, old, new = pair
    source = (EXAMPLES / file).read_text()
    changed = source.replace(old, new) if old else source
    factors, seconds = [], []
    with Sandbox("keras" if file.startswith("keras") else "torch") as sandbox:
        for _ in range(times):
            _, found = measure_latency(
                EXAMPLES / file,
                entry=entry,
                input_shape=(3, 32, 32),
                source=changed,
                reference=source,
                timing=timing,
                sandbox=sandbox,
            )
            assert found.factor is not None
            factors.append(found.factor)
            seconds.append(found.seconds)
    medians = [middle for middle, _, _ in factors]
    return {
        "pair": name,
        "factor": statistics.mean(medians),
        "deviation": statistics.stdev(medians),
        "half interval": statistics.mean((high - low) / 2 for _, low, high in factors),
        "told apart": f"{sum(not low <= 1 <= high for _, low, high in factors)}/{times}",
        "deviation of the ms alone": statistics.stdev(seconds) / statistics.mean(seconds),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--seconds", type=float, default=1.0)
    given = arguments.parse_args()
    timing = Timing(seconds=given.seconds)
    rows = [row(pair, given.times, timing) for pair in PAIRS]
    load = f"load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"
    report("costs", f"one network in turn with another, {given.times} times, one thread; {load}", rows)


if __name__ == "__main__":
    main()
