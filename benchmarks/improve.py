"""The main job on the examples and on real files of LEMUR: seconds, valid candidates, predicted gain."""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from _report import report

from nas_assistant.assistant import improve
from nas_assistant.errors import UserError
from nas_assistant.families import find_data_root

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))
LEMUR = (
    "alt-00310cabda378718227476741b8f9ff2",
    "ga-0",
    "ast-activation-AlexNet-033377476d30570c325e7aad9fa4c15c",
    "rl-init-01292a4c007c76e9c5ae269970dbad26",
    "AirNext-1c889567-e226-44b8-9ced-2cbb8ad0a561",
)
SETTINGS = {"lr": 0.01, "momentum": 0.9, "dropout": 0.2, "batch": 64, "transform": "norm_32"}
ENTRY = f"Net((1, 3, 32, 32), (10,), {SETTINGS}, 'cpu')"


def lemur_files(folder: Path) -> list[Path]:
    """The named files that the archive has, or none where it is not there."""
    archive = find_data_root() / "lemur_models.zip"
    if not archive.is_file():
        return []
    with zipfile.ZipFile(archive) as models:
        names = [f"{name}.py" for name in LEMUR if f"{name}.py" in models.namelist()]
        return [Path(models.extract(name, folder)) for name in names]


def run(path: Path, entry: str | None, folder: Path, seed: int) -> dict[str, Any]:
    """One row."""
    start = time.perf_counter()
    row: dict[str, Any] = {"model": path.name, "seconds": 0.0, "candidates": 0, "valid": 0.0}
    row.update(before=0.0, after=0.0, low=0.0, high=0.0, parameters=0.0, flops=0.0, fault="")
    try:
        result = improve(path, entry=entry, seed=seed, run_dir=folder / path.stem)
    except UserError as error:
        return {**row, "seconds": time.perf_counter() - start, "fault": str(error)[:60]}
    tried = result.history
    return {
        **row,
        "seconds": time.perf_counter() - start,
        "candidates": len(tried),
        "valid": sum(one.failure is None for one in tried) / max(len(tried), 1),
        "before": result.original_prediction.accuracy,
        "after": result.prediction.accuracy,
        "low": result.gain_interval[0],
        "high": result.gain_interval[1],
        "parameters": result.parameters[1] / result.parameters[0],
        "flops": result.flops[1] / result.flops[0],
    }


def main() -> None:
    """Run all and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [(path, None) for path in EXAMPLES] + [(path, ENTRY) for path in lemur_files(folder)]
        rows = []
        for path, entry in jobs:
            rows.append(run(path, entry, folder / "runs", arguments.seed))
            print(rows[-1], flush=True)
    report("improve", "nas-assistant improve with the generator mutate, default settings", rows)


if __name__ == "__main__":
    main()
