"""``train --fine-tune``: from a table of files and accuracies to a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Predictor

from .conftest import NET

Run = Callable[..., Any]
WIDTHS = list(range(8, 32, 2))


@pytest.fixture(scope="session")
def built() -> dict[int, ComputationalGraph]:
    return {width: read(width) for width in WIDTHS}


def read(width: int) -> ComputationalGraph:
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    module = nn.Sequential(*layers, nn.Linear(width, 10))
    return ComputationalGraph.from_torch(module, torch.zeros(2, 3, 32, 32))


@pytest.fixture
def table(tmp_path: Path, built: dict[int, ComputationalGraph]) -> Path:
    """Twelve networks: three Python files, then graphs that were read before."""
    (tmp_path / "nets").mkdir()
    rows = ["file,accuracy,entry"]
    for width in WIDTHS:
        name = f"net{width}.py" if width <= 12 else f"net{width}.json"
        if width <= 12:
            text = NET.replace("(3, 8,", f"(3, {width},").replace("Linear(8", f"Linear({width}")
            (tmp_path / "nets" / name).write_text(text)
        else:
            built[width].save(tmp_path / "nets" / name)
        rows.append(f"nets/{name},{0.6 + 0.01 * width:.3f},{'Net' if width == 8 else ''}")
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def tune(run: Run, table: Path, checkpoint: Path, *more: str) -> Any:
    out = table.parent / "tuned"
    return run("train", "--fine-tune", table, "--out", out, "--predictor", checkpoint, *more)


def change(table: Path, line: int, text: str) -> None:
    lines = table.read_text().splitlines()
    lines[line - 1] = text
    table.write_text("\n".join(lines) + "\n")


def test_a_predictor_learns_from_a_table_and_is_used(
    table: Path, checkpoint: Path, run: Run, built: dict[int, ComputationalGraph]
) -> None:
    (table.parent / "nets" / "net12.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    x = 1 / 0\n"
    )
    result = tune(run, table, checkpoint, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["networks"] == 11 and list(facts["skipped"]) == ["labels.csv:4"]
    assert "labels.csv:4: left out: " in result.stderr
    assert facts["leave_one_out"]["mae"] < facts["before"]["mae"]
    assert facts["leave_one_out"]["srcc"] > 0.8
    tuned = Predictor.load(table.parent / "tuned")
    assert tuned.predict(built[20]).accuracy == pytest.approx(0.8, abs=0.05)
    kept = list((table.parent / "tuned" / "state" / "graphs").glob("*.json"))
    assert len(kept) == 11


def test_what_was_read_is_not_read_again(
    table: Path, checkpoint: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tune(run, table, checkpoint)
    assert first.exit_code == 0 and "learned from 12 networks" in first.stdout, first.stderr
    monkeypatch.setattr("nas_assistant.training._labels.inspect_model", None)
    again = tune(run, table, checkpoint)
    assert again.exit_code == 0 and again.stdout == first.stdout
    change(table, 2, "nets/net8.py,0.9,Net()")  # another entry is another model
    assert tune(run, table, checkpoint).exit_code != 0


def test_percentages_are_announced(table: Path, checkpoint: Path, run: Run) -> None:
    lines = table.read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    table.write_text("\n".join([lines[0], *(f"{f},{100 * float(a):.1f},{e}" for f, a, e in rows)]))
    result = tune(run, table, checkpoint)
    assert result.exit_code == 0 and "taken for percentages" in result.stderr
    tuned = Predictor.load(table.parent / "tuned")
    assert tuned.adapter is not None and 0.6 < 1 - 2.718281828 ** -(0.3 * tuned.adapter.level + 2.4) < 0.95


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (1, "path,accuracy,entry", "must name the columns"),
        (4, "nets/net12.py,high,", "neither a fraction nor a percentage"),
        (4, "nets/net12.py,-1,", "neither a fraction nor a percentage"),
        (4, "nets/net12.py", "'missing' is neither a fraction nor a percentage"),
        (4, "nets/none.py,0.7,", "no such file"),
        (4, "labels.csv,0.7,", "give one of .py, .json, .onnx, .pkl"),
        (4, "nets/net8.py,0.7,Net", "stands on line 2 already"),
        (4, "nets/net12.py,0.7,Other", "Other"),
    ],
)
def test_a_bad_row_is_named(
    table: Path, checkpoint: Path, refused: Callable[..., str], line: int, text: str, said: str
) -> None:
    change(table, line, text)
    message = tune(refused, table, checkpoint)
    assert f"labels.csv:{line}: " in message and said in message
    assert not (table.parent / "tuned").exists()


def test_too_few_rows_or_models_are_refused(table: Path, checkpoint: Path, run: Run) -> None:
    for width in WIDTHS[:3]:
        (table.parent / "nets" / f"net{width}.py").write_text(NET.replace("super().__init__()", "1 / 0"))
    result = tune(run, table, checkpoint)
    assert result.exit_code == 2 and "only 9 of 12 models could be built" in result.stderr.splitlines()[-1]
    table.write_text("\n".join(table.read_text().splitlines()[:5]))
    result = tune(run, table, checkpoint)
    assert result.exit_code == 2 and "4 rows are too few" in result.stderr


def test_a_predictor_goes_with_fine_tuning_alone(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "--fine-tune" in refused("train", "--out", tmp_path / "out", "--predictor", "nb101")
