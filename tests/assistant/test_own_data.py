from __future__ import annotations

from pathlib import Path

import pytest

from nas_assistant.assistant import _improve, improve, report_model
from nas_assistant.errors import UserError
from nas_assistant.predictors import Predictor

from .helpers import RandomEdits, write_data


@pytest.fixture
def data(model: Path) -> Path:
    return write_data(model, 40)


def test_a_report_with_the_users_data(model: Path, data: Path, tmp_path: Path, predictor: Predictor) -> None:
    predictor.save(tmp_path / "checkpoint")
    report = report_model(model, data=f"{data}:data", checkpoint=tmp_path / "checkpoint")
    own = report.own_data
    assert own is not None and own.classes == 4
    low, _ = report.prediction.interval
    assert own.interval[0] < low and own.similarity.parts["resolution"] == 1
    assert report.to_json()["own_data"]["low"] == own.interval[0]


def test_data_without_labels_is_told_and_no_more(
    model: Path, data: Path, tmp_path: Path, predictor: Predictor
) -> None:
    predictor.save(tmp_path / "checkpoint")
    report = report_model(model, data=f"{data}:bare", checkpoint=tmp_path / "checkpoint")
    assert report.own_data is None and "own_data" not in report.to_json()
    assert any("not compared" in note and "no labels" in note for note in report.inspection.notes)


def test_data_of_one_class_ends_no_run(model: Path, data: Path, predictor: Predictor) -> None:
    result = improve(
        model,
        data=f"{data}:one_class",
        generator=RandomEdits(),
        predictor=predictor,
        max_iterations=1,
        proposals_per_iteration=2,
        run_dir="run",
    )
    assert result.own_data is None and (result.run_dir / "result.json").is_file()
    assert any("not compared" in note and "one class" in note for note in result.notes)


def test_ctrl_c_while_the_data_is_compared_loses_nothing(
    model: Path, data: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_improve, "with_own_data", interrupt)
    options = {"max_iterations": 1, "proposals_per_iteration": 2, "run_dir": "run", "report": False}
    result = improve(model, data=f"{data}:data", generator=RandomEdits(), predictor=predictor, **options)  # type: ignore[arg-type]
    assert result.own_data is None and (result.run_dir / "result.json").is_file()
    assert any("interrupted before it was known" in note for note in result.notes)


def test_a_gain_on_the_users_data(model: Path, data: Path, predictor: Predictor) -> None:
    options = {"predictor": predictor, "max_iterations": 1, "proposals_per_iteration": 4, "gain": 1e-6}
    known = f"{data}:data"
    blind = improve(model, data=known, generator=RandomEdits(), run_dir="a", **options)  # type: ignore[arg-type]
    told = improve(
        model,
        data=known,
        own_accuracy=0.6,
        generator=RandomEdits(),
        run_dir="b",
        **options,  # type: ignore[arg-type]
    )
    assert blind.improved and blind.own_data is not None and told.own_data is not None
    assert blind.own_data.gain_interval is not None and told.own_data.gain_interval is not None
    widths = [high - low for low, high in (told.own_data.gain_interval, blind.own_data.gain_interval)]
    assert widths[0] < widths[1]
    assert told.to_json()["own_data"]["gain"] == told.own_data.gain


def test_an_accuracy_needs_its_data(model: Path) -> None:
    with pytest.raises(UserError, match="needs --data"):
        improve(model, own_accuracy=0.9)
    with pytest.raises(UserError, match="less than 1"):
        improve(model, own_accuracy=90, data="digits")
