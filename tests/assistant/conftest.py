from __future__ import annotations

from pathlib import Path

import pytest

from nas_assistant.predictors import Predictor

from .helpers import NET, make_predictor


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return make_predictor()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.py"
    path.write_text(NET)
    return path
