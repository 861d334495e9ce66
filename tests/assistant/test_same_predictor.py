"""A run is read with the predictor that it worked with, as near as predictions of one network are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.assistant import improve, report_run
from nas_assistant.errors import UserError
from nas_assistant.predictors import Predictor

from .helpers import Scripted


@pytest.mark.parametrize(("noise", "same"), [(5e-5, True), (-5e-5, True), (1e-3, False)])
def test_the_noise_of_a_batch_is_no_other_predictor(
    model: Path, tmp_path: Path, predictor: Predictor, noise: float, same: bool
) -> None:
    run, checkpoint = tmp_path / "run", tmp_path / "checkpoint"
    predictor.save(checkpoint)
    again = {"generator": Scripted(), "predictor": predictor, "run_dir": run, "max_iterations": 1}
    improve(model, **again, report=False)
    config = json.loads((run / "config.json").read_text())
    config["accuracy"] += noise
    (run / "config.json").write_text(json.dumps(config))
    steps: tuple[Callable[[], object], ...] = (
        lambda: report_run(run, checkpoint=checkpoint),
        lambda: improve(model, **again, resume=True, report=False),
    )
    for step in steps:
        if same:
            step()
        else:
            with pytest.raises(UserError, match="another predictor"):
                step()
