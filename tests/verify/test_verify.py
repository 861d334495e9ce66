from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.errors import UserError
from nas_assistant.sources import Sandbox
from nas_assistant.verify import Recipe, Step, Verification, verify

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


@pytest.mark.slow
def test_two_workers_train_what_one_does(run: Any, tmp_path: Path) -> None:
    one = run(run_dir=tmp_path / "one")
    two = run(run_dir=tmp_path / "two", workers=2)
    assert one.verdict == two.verdict
    assert one.first.curve(one.seeds) == two.first.curve(two.seeds)


def test_what_cannot_be_verified(run: Any, write: Write) -> None:
    with pytest.raises(UserError, match=r"--confidence 1: at least 0\.5"):
        run(confidence=1.0)
    with pytest.raises(UserError, match="--workers 0: at least 1"):
        run(workers=0)
    with pytest.raises(UserError, match="a graph without weights to train"):
        verify("model.onnx", "other.onnx", data="digits")
