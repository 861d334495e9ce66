from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assistant.helpers import make_predictor
from typer.testing import CliRunner

from nas_assistant.cli import app

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.pool(self.act(self.conv(x))).flatten(1))
"""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained predictor, the same every time."""
    folder = tmp_path_factory.mktemp("checkpoint")
    make_predictor().save(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.py"
    path.write_text(NET)
    return path


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs the command line in this process."""

    def run(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def refused(run: Callable[..., Any]) -> Callable[..., str]:
    """Runs what must be bad input, and gives the one line that it prints."""

    def refused(*arguments: str | Path) -> str:
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("Error: "), result.stderr
        return lines[0]

    return refused
