from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_assistant.errors import ModelError, UserError
from nas_assistant.sources import Sandbox
from nas_assistant.verify import Bench, Epoch, OutOfTime, Recipe, Step, read_subject

from .conftest import KERAS, TORCH, Write

RECIPE = Recipe(epochs=3, train_images=1000, val_images=100, batch_size=16)
EVALUATED = "        return x if self.training else x.softmax(1)\n"


def test_epochs_are_kept_and_not_trained_again(write: Write, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    steps: list[Step] = []
    subject = read_subject(write(), data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "run", "digits", RECIPE, progress=steps.append) as bench:
        epochs = bench.train(subject, 0)
        assert [epoch.number for epoch in epochs] == [1, 2, 3]
        assert [len(step.epochs) for step in steps] == [1, 2, 3]
        assert epochs[-1].accuracy > 0.5
        assert bin(int(epochs[-1].correct, 16)).count("1") == round(100 * epochs[-1].accuracy)
        assert bench.train(subject, 0) == epochs
        assert len(steps) == 3
        assert bench.train(subject, 1) != epochs
    assert not list((tmp_path / "run").rglob("state-*")), "a finished training keeps no state"


def test_a_training_in_parts_is_the_training_in_one(
    write: Write, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    subject = read_subject(write(), data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "one", "digits", RECIPE) as bench:
        whole = bench.train(subject, 0)
    for until in (1, 2, 3):
        with Bench(tmp_path / "parts", "digits", RECIPE) as bench:
            parts = bench.train(subject, 0, until)
    assert [replace(epoch, seconds=0) for epoch in parts] == [replace(epoch, seconds=0) for epoch in whole]


def test_a_softmax_in_evaluation_alone_is_none_in_training(
    write: Write, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    with Bench(tmp_path / "run", "digits", replace(RECIPE, epochs=1)) as bench:
        losses = []
        for text in (TORCH, TORCH.replace("return ", "x = ") + EVALUATED):
            subject = read_subject(write(text=text), data="digits", sandbox=shared_sandbox)
            losses.append(bench.train(subject, 0)[0].loss)
    assert losses[0] is not None and losses[0] == losses[1]


@pytest.mark.tensorflow
@pytest.mark.slow
def test_a_keras_training_in_parts_is_the_training_in_one(write: Write, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    path = write(text=KERAS)
    with Bench(tmp_path / "one", "digits", RECIPE) as bench:
        subject = read_subject(path, data="digits", sandbox=bench.sandbox("keras"))
        whole = bench.train(subject, 0)
        parts = Bench(tmp_path / "parts", "digits", RECIPE)
        parts.sandbox = bench.sandbox  # type: ignore[method-assign]
        parts.train(subject, 0, 2)
        again = parts.train(subject, 0)
    assert whole[-1].accuracy > 0.5
    assert [epoch.correct for epoch in again] == [epoch.correct for epoch in whole]


def test_a_killed_worker_is_replaced_and_nothing_is_lost(write: Write, tmp_path: Path) -> None:
    steps: list[Step] = []
    killed: list[int] = []

    def kill_once(step: Step) -> None:
        steps.append(step)
        if len(step.epochs) == 2 and not killed:
            worker = bench.sandbox("torch")._worker
            assert worker is not None
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    recipe = replace(RECIPE, epochs=5)
    with Bench(tmp_path / "killed", "digits", recipe, progress=kill_once) as bench:
        subject = read_subject(write(), data="digits", sandbox=bench.sandbox("torch"))
        epochs = bench.train(subject, 0)
    assert killed
    told = [len(step.epochs) for step in steps if not step.retried]
    assert told == sorted(told) and told[-1] == 5
    assert any(step.retried for step in steps)
    with Bench(tmp_path / "whole", "digits", recipe) as bench:
        whole = bench.train(subject, 0)
    assert [epoch.correct for epoch in epochs] == [epoch.correct for epoch in whole]


def test_a_record_that_a_kill_cut_short_is_trained_again(
    write: Write, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    subject = read_subject(write(), data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "run", "digits", RECIPE) as bench:
        bench.train(subject, 0, 2)
        records = bench.unit(subject, 0).path / "epochs.jsonl"
        before = records.read_bytes()
        records.write_bytes(before[:-20])
        epochs = bench.train(subject, 0)
        assert len(epochs) == 3
        lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def test_the_last_to_end_removes_the_samples(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    samples = tmp_path / "run" / "samples.safetensors"
    with Bench(tmp_path / "run", "digits", RECIPE) as one:
        one.prepare("torch")
        with Bench(tmp_path / "run", "digits", RECIPE) as two:
            two.prepare("torch")
            one.forget_samples()
            assert samples.is_file(), "the other one trains with them"
            two.forget_samples()
            assert not samples.is_file()


def test_a_model_that_fails_is_not_tried_again(write: Write, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    text = "from torch import nn\nmodel = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    subject = read_subject(write(text=text), data="digits", sandbox=shared_sandbox)
    with (
        Bench(tmp_path / "run", "digits", RECIPE) as bench,
        pytest.raises(ModelError, match=r"model\.py: gives 3 for a sample; the data has 10 classes"),
    ):
        bench.train(subject, 0)


def test_a_model_that_ends_its_process_is_given_up(write: Write, tmp_path: Path) -> None:
    text = (
        "import os, torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.head = nn.Linear(64, 10)\n\n"
        "    def forward(self, x):\n        if self.training and len(x) > 2:\n            os._exit(3)\n"
        "        return self.head(x.flatten(1))\n"
    )
    steps: list[Step] = []
    with Bench(tmp_path / "run", "digits", RECIPE, progress=steps.append) as bench:
        subject = read_subject(write(text=text), data="digits", sandbox=bench.sandbox("torch"))
        with pytest.raises(ModelError, match="the process ended"):
            bench.train(subject, 0)
    assert [step.retried for step in steps] == [True, True]


def test_the_deadline_keeps_what_was_trained(write: Write, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    subject = read_subject(write(), data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "run", "digits", RECIPE) as bench:
        bench.train(subject, 0, 1)
    with Bench(tmp_path / "run", "digits", RECIPE, deadline=time.monotonic()) as bench:
        with pytest.raises(OutOfTime):
            bench.train(subject, 0)
        assert len(bench.unit(subject, 0).epochs()) == 1


def test_a_folder_of_another_recipe_is_refused(write: Write, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    with Bench(tmp_path / "run", "digits", RECIPE) as bench:
        bench.prepare("torch")
    with (
        Bench(tmp_path / "run", "digits", replace(RECIPE, epochs=4)) as bench,
        pytest.raises(UserError, match=r"--epochs 4: the run in .* has 3"),
    ):
        bench.prepare("torch")


PEEK = """\
import pathlib
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)
        if list(HERE.glob("run/samples*")):
            (HERE / "run" / "answers.safetensors").read_bytes()

    def forward(self, x):
        return self.head(x.flatten(1))
"""


def test_a_model_cannot_read_what_it_is_measured_by(
    write: Write, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    subject = read_subject(write(text=PEEK), data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "run", "digits", RECIPE) as bench:
        bench.prepare("torch")
        assert (tmp_path / "run" / "answers.safetensors").is_file()
        with pytest.raises(ModelError, match=r"model\.py:\d+: PermissionError"):
            bench.train(subject, 0)


AMONG = """\
from pathlib import Path

import helper
from torch import nn

Path(__file__).read_text()
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
if Path({samples!r}).exists():
    Path({held_out!r}).read_bytes()
"""


@pytest.mark.parametrize("place", ["images", "project"])
def test_a_model_beside_the_data_cannot_read_them(
    tmp_path: Path, shared_sandbox: Sandbox, place: str
) -> None:
    images, run, folder = tmp_path / "images", tmp_path / "run", tmp_path / place
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (images / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8)).save(images / name / f"{number}.png")
    folder.mkdir(exist_ok=True)
    if place == "project":
        (folder / "data").symlink_to(images)
    held_out = folder / "data/test/a/0.png" if place == "project" else images / "test/a/0.png"
    (folder / "helper.py").write_text("")
    path = folder / "model.py"
    path.write_text(AMONG.format(samples=str(run / "samples.safetensors"), held_out=str(held_out)))
    subject = read_subject(path, data=str(images), sandbox=shared_sandbox)
    with (
        Bench(run, str(images), RECIPE) as bench,
        pytest.raises(ModelError, match=r"model\.py:9: PermissionError"),
    ):
        bench.train(subject, 0)


def test_a_model_may_import_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, shared_sandbox: Sandbox
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "sizes.py").write_text("WIDTH = 4\n")
    path = write().rename(tmp_path / "src" / "model.py")
    path.write_text("from src.sizes import WIDTH\n" + path.read_text())
    subject = read_subject(path, data="digits", sandbox=shared_sandbox)
    with Bench(tmp_path / "run", "digits", replace(RECIPE, epochs=1)) as bench:
        assert len(bench.train(subject, 0)) == 1


def test_what_a_job_tells_is_scored_here() -> None:
    answers = np.array([1, 2, 3, 0])
    told = {"epoch": 1, "loss": None, "classes": [1, 2, -1, 3], "seconds": 0.1, "accuracy": 1.0}
    epoch = Epoch.told(told, answers)
    assert (epoch.accuracy, epoch.correct) == (0.5, "c0")
    for classes in ([1, 2, 3], None, "1230", [[1, 2, 3, 0]]):
        with pytest.raises(ValueError, match="not an epoch"):
            Epoch.told({**told, "classes": classes}, answers)
