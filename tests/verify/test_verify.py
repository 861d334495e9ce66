from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nas_assistant.errors import UserError
from nas_assistant.sources import Sandbox
from nas_assistant.verify import Epoch, Recipe, Step, Verification, verify
from nas_assistant.verify._verify import PairRunner

from .conftest import NARROW, WIDE, Write

RECIPE = Recipe(epochs=3, train_images=600, val_images=200, batch_size=16, learning_rate=5e-3)


@pytest.fixture
def run(write: Write, tmp_path: Path) -> Any:
    """Verifies a wide network against a narrow one."""

    def run(**options: Any) -> Verification:
        options = {"data": "digits", "seeds": 2, "recipe": RECIPE, "run_dir": tmp_path / "run", **options}
        pair = write("narrow.py", NARROW), write("wide.py", WIDE)
        return verify(*pair, store=tmp_path / "store", **options)

    return run


def test_training_ends_early_where_the_curves_tell_the_end(run: Any, shared_sandbox: Sandbox) -> None:
    found = run(early_stop=True, recipe=replace(RECIPE, epochs=12))
    assert found.seeds == (0, 1) and found.verdict.difference > 0.3
    assert found.ended_early and all(4 <= epoch < 12 for epoch in found.ended_early.values())
    for seed, epoch in found.ended_early.items():
        assert len(found.second.runs[seed]) == epoch and len(found.first.runs[seed]) == 12
    first, second = (model["accuracy"] for model in found.to_json()["models"])
    assert second - first == pytest.approx(found.verdict.difference)
    assert len(found.first.curve(found.ends)) == len(found.second.curve(found.ends))
    assert found.labels is not None and found.labels.read_text().count("narrow.py") == 1
    assert "wide.py" not in found.labels.read_text(), "it was not trained to the end"
    again = run(early_stop=True, recipe=replace(RECIPE, epochs=12))
    assert again.verdict == found.verdict


def test_the_minutes_end_a_verification_and_the_next_call_goes_on(run: Any, shared_sandbox: Sandbox) -> None:
    cut = run(minutes=1e-9)
    assert (cut.stopped, cut.verdict, cut.seeds) == ("minutes", None, ())
    done = run()
    assert done.stopped == "done" and done.seeds == (0, 1) and done.verdict is not None


def test_a_loss_that_is_no_number_is_told(run: Any, shared_sandbox: Sandbox) -> None:
    found = run(recipe=replace(RECIPE, epochs=1, learning_rate=1e30))
    assert "wide.py: with seed 0, 1 the loss was no number: try a lower --learning-rate" in found.notes


def test_ctrl_c_keeps_what_was_trained(run: Any, shared_sandbox: Sandbox) -> None:
    def interrupt(step: Step) -> None:
        if step.seed == 1:
            raise KeyboardInterrupt

    cut = run(progress=interrupt)
    assert (cut.stopped, cut.seeds, cut.verdict) == ("interrupted", (0,), None)
    assert [len(one.runs[1]) for one in (cut.first, cut.second)] == [1, 0]


def test_a_pair_that_went_on_is_compared_where_its_end_was_first_told() -> None:
    rng = np.random.default_rng(5)
    rising = 0.6 - 0.35 / np.arange(1, 11)
    curves = rising + rng.normal(0, 0.01, 10), rising + 0.02 + rng.normal(0, 0.02, 10)
    first, second = ([Epoch(i + 1, 0.0, float(a), "00", 0.0) for i, a in enumerate(c)] for c in curves)
    for trained, end in ((3, None), (4, 4), (6, 4), (10, 10)):
        runs = {"first": first, "second": second[:trained]}
        bench = SimpleNamespace(
            recipe=Recipe(), unit=lambda one, seed, r=runs: SimpleNamespace(epochs=lambda: r[one])
        )
        assert PairRunner(bench, ("first", "second"), early_stop=True).at(0) == end  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_workers_train_what_one_does(run: Any, tmp_path: Path) -> None:
    one = run(run_dir=tmp_path / "one")
    two = run(run_dir=tmp_path / "two", workers=2)
    assert one.verdict == two.verdict
    assert one.first.curve(one.ends) == two.first.curve(two.ends)


def test_what_cannot_be_verified(run: Any, write: Write) -> None:
    with pytest.raises(UserError, match=r"--confidence 1: at least 0\.5"):
        run(confidence=1.0)
    with pytest.raises(UserError, match="--workers 0: at least 1"):
        run(workers=0)
    with pytest.raises(UserError, match="a graph without weights to train"):
        verify("model.onnx", "other.onnx", data="digits")
