from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from nas_assistant.assistant import Result
from nas_assistant.cli._verify import verify_found

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x):
        return torch.softmax(self.head(torch.relu(self.hidden(x.flatten(1)))), dim=1)
"""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    for name, width in (("narrow.py", 1), ("wide.py", 64)):
        (tmp_path / name).write_text(NET.replace("WIDTH", str(width)))
    return Path("narrow.py"), Path("wide.py")


def test_verify_tells_a_wide_network_from_a_narrow_one(
    run: Callable[..., Any], pair: tuple[Path, Path]
) -> None:
    narrow, wide = pair
    options = ("--data", "digits", "--epochs", "3", "--batch-size", "16")
    first = run("verify", narrow, wide, *options, "--seeds", "3", "--json")
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert found["verdict"]["answer"] == "better" and found["verdict"]["low"] > 0
    assert found["seeds"] == [0, 1, 2] and found["data"]["val"] == 359
    assert [len(model["curve"]) for model in found["models"]] == [3, 3]
    trained = {path: path.stat().st_mtime_ns for path in Path("nas-runs").rglob("epochs.jsonl")}
    assert len(trained) == 6

    again = run("verify", wide, narrow, *options, "--seeds", "4")  # one more seed, the other way round
    assert again.exit_code == 1, again.output
    assert "Verdict: narrow.py is worse than wide.py" in again.stdout
    assert "█" in again.stdout and "narrow.py, seed 3" in again.stderr
    assert "seed 1" not in again.stderr, "a seed that was trained is not trained again"
    assert {path: path.stat().st_mtime_ns for path in trained} == trained

    labels = Path(found["labels"])
    rows = list(csv.DictReader(labels.open()))
    assert [row["seeds"] for row in rows] == ["4", "4"]
    assert {row["model"] for row in rows} == {"narrow.py", "wide.py"}
    assert all((labels.parent / row["file"]).is_file() for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "digits", "--seeds", "1"), "--seeds 1: at least 2"),
        (("--data", "digits", "--epochs", "0"), "--epochs 0: at least 1"),
        (("--data", "digits", "--augment", "mixup"), "--augment mixup: choose one of"),
        (("--data", "digits", "--minutes", "0"), "--minutes 0: more than 0"),
        (("--data", "nowhere"), "nowhere: no such file or folder"),
    ],
)
def test_bad_options(
    refused: Callable[..., str], pair: tuple[Path, Path], options: tuple[str, ...], message: str
) -> None:
    assert message in refused("verify", *pair, *options)


def test_folders_are_checked_before_the_work(refused: Callable[..., str], pair: tuple[Path, Path]) -> None:
    Path("afile").touch()
    for option, path in (("--run-dir", "afile"), ("--store", "afile/deeper")):
        told = refused("verify", *pair, "--data", "digits", option, path)
        assert f"{option}': afile is no folder that can be written to" in told
    assert not Path("nas-runs").exists()


def test_a_pair_takes_no_option_of_a_run(refused: Callable[..., str], pair: tuple[Path, Path]) -> None:
    for option, value in (("--top", "5"), ("--backend", "foo"), ("--method", "bar")):
        assert f"{option} is of a run's folder" in refused("verify", *pair, "--data", "digits", option, value)


def test_improve_says_first_what_verify_lacks(refused: Callable[..., str], pair: tuple[Path, Path]) -> None:
    assert "--verify trains for real: say on what, with --data" in refused(
        "improve", pair[0], "--verify", "3"
    )
    assert "--verify 0: at least 1" in refused("improve", pair[0], "--verify", "0", "--data", "digits")


def test_verify_of_one_file(refused: Callable[..., str], pair: tuple[Path, Path]) -> None:
    assert "narrow.py: give the model to hold against it too" in refused(
        "verify", pair[0], "--data", "digits"
    )


def test_nothing_is_trained_after_a_search_that_was_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    result = SimpleNamespace(stopped="interrupted", run_dir=Path("nas-runs/my net"), history=(None,))
    with pytest.raises(typer.Exit) as ended:
        verify_found(cast("Result", result), "digits", 3, None, as_json=False)
    assert ended.value.exit_code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "nas-assistant verify 'nas-runs/my net' --data digits --top 3 begins it" in told
