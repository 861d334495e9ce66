"""``train`` on families: what it does without options is the recipe."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.cli._train import train
from nas_assistant.training import TrainingConfig


def test_the_defaults_of_the_command_are_those_of_the_recipe() -> None:
    recipe, options = TrainingConfig().to_json(), inspect.signature(train).parameters
    shared = recipe.keys() & options.keys()
    assert {"networks", "held_out", "encoder_steps", "supervised_steps", "seed"} <= shared
    assert {name: options[name].default for name in shared} == {name: recipe[name] for name in shared}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--out", "new", "--held-out", "0"), "'--held-out': "),
        (("train", "--out", "new", "--networks", "-5"), "'--networks': "),
        (("train", "--out", "new", "--workers", "0"), "'--workers': "),
        (("train", "--out", "afile"), "'--out': afile is no folder that can be written to"),
        (
            ("train", "--out", "new", "--fine-tune", "afile", "--networks", "50"),
            "leave it out with --fine-tune",
        ),
        (("evaluate", "--family", "nb101", "--networks", "-5"), "'--networks': "),
        (("evaluate", "--family", "nb101", "--workers", "0"), "'--workers': "),
    ],
)
def test_bad_options(
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("afile").touch()
    assert message in refused(*arguments)


def test_an_error_of_the_system_is_one_line(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("nas_assistant.training.read_labels", full)
    told = refused("train", "--out", tmp_path / "new", "--fine-tune", "labels.csv")
    assert "labels.csv: No space left on device" in told
