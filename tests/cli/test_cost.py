from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_cost_prints_json(model: Path, run: Run) -> None:
    result = run("cost", model, "--seconds", "0.1", "--batch-size", "2", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["params"] == 3 * 8 * 9 + 8 + 8 * 10 + 10
    assert found["activation_memory"] == 2 * 4 * 1024 * (3 + 8 + 8)
    assert found["memory"] == found["activation_memory"] + 4 * found["params"]
    assert 0 < found["latency_low"] <= found["latency"] <= found["latency_high"]
    assert (found["batch_size"], found["threads"], found["runtime"]) == (2, 1, "framework")


def test_cost_of_a_graph_has_no_latency(model: Path, run: Run) -> None:
    assert run("graph", model, "--out", "net.json").exit_code == 0
    result = run("cost", "net.json")
    assert result.exit_code == 0 and "activation memory" in result.stdout and "latency" not in result.stdout


def test_improve_prints_the_front(model: Path, checkpoint: Path, run: Run) -> None:
    arguments = ("--objective", "accuracy,params", "--max-iterations", "1", "--checkpoint", checkpoint)
    result = run("improve", model, *arguments, "--run-dir", "run")
    assert result.exit_code in (0, 1), result.stderr
    assert "Hypervolume" in result.stdout and "original" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--objective", "accuracy"), "accuracy,latency"),
        (("--objective", "accuracy,speed"), "speed: no such objective"),
        (("--max-latency", "fast"), "--max-latency fast"),
        (("--max-memory", "12"), "--max-memory 12"),
    ],
)
def test_bad_options(
    model: Path, checkpoint: Path, refused: Callable[..., str], options: tuple[str, str], message: str
) -> None:
    assert message in refused("improve", model, *options, "--checkpoint", checkpoint)
    assert not Path("nas-runs").exists()
