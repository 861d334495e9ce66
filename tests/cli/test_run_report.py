"""The page of a run, and the relevance painted on the source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_improve_writes_a_report_and_report_writes_it_again(run: Run, model: Path, checkpoint: Path) -> None:
    found = run("improve", model, "--checkpoint", checkpoint, "--max-iterations", "1", "--run-dir", "run")
    page = Path("run/report.html")
    assert found.exit_code in (0, 1), found.output
    text = page.read_text(encoding="utf-8")
    assert "<h1>model.py</h1>" in text and f"<dd>{checkpoint.name}</dd>" in text
    page.unlink()
    again = run("report", "run", "--checkpoint", checkpoint)
    assert again.exit_code == 0 and again.stdout == f"{page}\n"
    assert page.read_text(encoding="utf-8") == text


def test_a_folder_without_a_run(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "not the folder of a run" in refused("report", tmp_path)


def test_relevance_is_painted_on_the_source(run: Run, model: Path, checkpoint: Path) -> None:
    found = run("relevance", model, "--source", "--checkpoint", checkpoint, "--input-shape", "3,16,16")
    assert found.exit_code == 0, found.output
    lines, source = found.stdout.splitlines(), model.read_text().splitlines()
    assert len(lines) == len(source)
    for number, (line, text) in enumerate(zip(lines, source, strict=True), start=1):
        assert line.split()[0] == str(number) and line.rstrip().endswith(text)
    painted = [number for number, line in enumerate(lines, 1) if line[6:13].strip()]
    assert painted == [7, 8, 9, 10, 13]
    assert any("++++++++" in line or "--------" in line for line in lines)


def test_source_and_json_do_not_go_together(refused: Callable[..., str], model: Path) -> None:
    assert "not both" in refused("relevance", model, "--source", "--json")
    assert "only a Python file" in refused("relevance", model.with_suffix(".onnx"), "--source")
