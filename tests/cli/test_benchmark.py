"""The command ``benchmark loop``."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas_assistant.cli import app, show_loop

RUNNER = CliRunner()


def test_help_names_the_rows_and_the_records() -> None:
    shown = RUNNER.invoke(app, ["benchmark", "loop", "--help"])
    assert shown.exit_code == 0
    assert "--records" in shown.output and "--generators" in shown.output


def test_an_unknown_family_is_bad_input(tmp_path: Path) -> None:
    shown = RUNNER.invoke(
        app, ["benchmark", "loop", "--family", "hiaml", "--records", str(tmp_path / "r.jsonl")]
    )
    assert shown.exit_code == 2
    assert "no loop over the family 'hiaml'" in shown.output


def test_the_table_tells_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("iterations", "predicted_gain", "estimated_gain", "family_gain", "regret", "in_family",
             "valid_rate", "changed_rate", "seconds")  # fmt: skip
    line = {"family": "nb201", "row": "mutate", "networks": 4, "max_outs": 1, "family_networks": 3,
            "true_networks": 0, "true_gain": None, "true_gain_interval": None,
            "tokens": None, "tokens_interval": None}  # fmt: skip
    for name in names:
        line |= {name: 0.0123, f"{name}_interval": [0.01, 0.02]}
    facts = {"deviation": 0.02, "target_gain": 0.005, "best": 0.94, "regression": {"srcc": 0.9, "mae": 0.01}}
    show_loop({"families": {"nb201": facts}, "rows": [line], "against": []})
    shown = capsys.readouterr().out
    assert "target +0.0050" in shown and "1/4" in shown
    assert "1.23 (3)" in shown and "1.00 2.00" in shown
    assert "tokens" not in shown
