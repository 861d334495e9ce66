from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_assistant.errors import UserError
from nas_assistant.reports import project

Run = Callable[..., Any]


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    with gzip.open(tmp_path / "nb201.csv.gz", "wt") as file:
        file.write("index,arch_str,cifar10_test_200\n")
        for index in range(6):
            op = operations[index % 5]
            cell = f"|nor_conv_3x3~0|+|{op}~0|none~1|+|skip_connect~0|{operations[index // 5]}~1|none~2|"
            file.write(f"{index},{cell},{80 + index}\n")
    return tmp_path


def test_plots(run: Run, data_root: Path, checkpoint: Path) -> None:
    options = ("--family", "nb201", "--checkpoint", checkpoint, "--data-root", data_root, "--workers", "1")
    options = (*options, "--cache-dir", data_root / "cache")
    for kind, out, more in (("predictions", "p.svg", ()), ("map", "m.png", ("--method", "tsne"))):
        result = run("plot", kind, *options, "--out", data_root / out, *more)
        assert result.exit_code == 0, result.output
        assert "6 networks of nb201" in result.stdout
    assert "SRCC" in (data_root / "p.svg").read_text()
    assert (data_root / "m.png").read_bytes().startswith(b"\x89PNG")


def test_the_path_of_a_run_is_drawn(run: Run, data_root: Path, checkpoint: Path, model: Path) -> None:
    options = ("--checkpoint", checkpoint, "--gain", "0.000000001", "--run-dir", "run")
    assert run("improve", model, *options).exit_code == 0
    events = Path("run/events.jsonl").read_bytes()
    drawing = ("--family", "nb201", "--checkpoint", checkpoint, "--data-root", data_root, "--workers", "1")
    drawing = (*drawing, "--cache-dir", data_root / "cache", "--out", "m.svg")
    assert run("plot", "map", *drawing).exit_code == 0
    assert "user's model" not in Path("m.svg").read_text()
    result = run("plot", "map", *drawing, "--run-dir", "run")
    assert result.exit_code == 0, result.output
    assert "user's model" in Path("m.svg").read_text()
    assert Path("run/events.jsonl").read_bytes() == events


def test_a_folder_without_a_run(refused: Callable[..., str], data_root: Path, checkpoint: Path) -> None:
    options = ("--family", "nb201", "--checkpoint", checkpoint, "--data-root", data_root, "--workers", "1")
    options = (*options, "--cache-dir", data_root / "cache", "--run-dir", data_root)
    assert "not the folder of a run" in refused("plot", "map", *options, "--out", data_root / "m.png")


def test_bad_plots(refused: Callable[..., str], data_root: Path) -> None:
    assert "use .png" in refused("plot", "map", "--family", "nb201", "--out", "m.txt")
    assert "no family named 'nb999'" in refused("plot", "map", "--family", "nb999", "--out", "m.png")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_the_projection_is_seeded_and_keeps_clusters_apart(method: Any) -> None:
    points = np.random.default_rng(0).normal(size=(20, 8))
    points[10:] += 50
    found = project(points, method, 0)
    assert found.shape == (20, 2) and np.array_equal(found, project(points, method, 0))
    ends = found[:10].mean(axis=0), found[10:].mean(axis=0)
    assert np.linalg.norm(ends[0] - ends[1]) > 2 * np.linalg.norm(found[:10] - ends[0], axis=1).max()


def test_too_few_networks() -> None:
    with pytest.raises(UserError, match="at least 5"):
        project(np.zeros((3, 8)), "pca", 0)
