from __future__ import annotations

import gzip
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.families import list_families

Run = Callable[..., Any]


def test_doctor(run: Run) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    checks = json.loads(result.stdout)
    assert {check["group"] for check in checks} == {
        "versions",
        "extras",
        "models",
        "sandbox",
        "checkpoint",
        "labels",
    }
    named = {(check["group"], check["name"]): check for check in checks}
    assert named["versions", "torch"]["ok"]
    assert {name for group, name in named if group == "labels"} == set(list_families())
    extras = importlib.metadata.metadata("nas-assistant").get_all("Provides-Extra")
    assert {name for group, name in named if group == "extras"} == set(extras or ())


def test_doctor_says_what_an_extra_would_add(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import nas_assistant.reports._doctor as doctor

    monkeypatch.setattr(doctor, "_version", lambda package: None)
    result = run("doctor")
    assert result.exit_code == 0 and "pip install 'nas-assistant[onnx]'" in result.stdout


def test_data_without_tables(run: Run, tmp_path: Path) -> None:
    result = run("data", "--json", "--data-root", tmp_path)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [family["name"] for family in found] == list_families()
    assert all(family["rows"] is None and str(tmp_path) in family["problem"] for family in found)


def test_data_with_a_table(run: Run, tmp_path: Path) -> None:
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    with gzip.open(tmp_path / "nb201.csv.gz", "wt") as file:
        file.write("index,arch_str,cifar10_test_200\n")
        for index, accuracy in enumerate((80.0, 90.0)):
            file.write(f"{index},{cell},{accuracy}\n")
    result = run("data", "--json", "--data-root", tmp_path)
    family = next(item for item in json.loads(result.stdout) if item["name"] == "nb201")
    assert family["rows"] == 2 and family["accuracy"] == pytest.approx([0.8, 0.85, 0.9, 0.05])
    assert "nb201" in run("data", "--data-root", tmp_path).stdout
