"""Trains models in the sandbox, keeps every epoch, and goes on where it was cut off."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, load_file, save

from nas_assistant._files import locked, replace_bytes, replace_json
from nas_assistant.assistant import read_config
from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.sources import GIB, Limits, Outcome, ResolvedData, Sandbox, job_result, reach, resolve_data
from nas_assistant.verify._in_use import InUse
from nas_assistant.verify._messages import unpack
from nas_assistant.verify._recipe import Recipe
from nas_assistant.verify._subject import Subject
from nas_assistant.verify._unit import Epoch, UnitFolder

CONFIG = "config.json"
_SAMPLES, _ANSWERS = "samples.safetensors", "answers.safetensors"
_EPOCH_SECONDS = 1800.0
_LOAD_SECONDS = 600.0
_TRIES = 3
_LOST = ("exit", "memory")


class OutOfTime(Exception):
    """The time of a verification is over; what was trained is kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Something that a verification has just done.

    Attributes:
        subject: The model at hand.
        seed: Of its training.
        epochs: What was trained so far.
        total: Epochs of the whole training.
        retried: Whether the worker was lost, and the training goes on from the last epoch kept.
    """

    subject: Subject
    seed: int
    epochs: tuple[Epoch, ...]
    total: int
    retried: bool = False


class Bench:
    """One data set and one recipe in one folder, for any number of models and seeds.

    Every epoch is on the disk before the next begins. A worker that is killed is replaced, and the training
    goes on from the last epoch, to the same result.

    Args:
        folder: The folder; the same one goes on.
        data: Where samples come from.
        recipe: How all models are trained.
        limits: What one job may use; its ``seconds`` are those of one epoch.
        deadline: On the clock of :func:`time.monotonic`.
        progress: Called after every epoch; an exception ends the training in hand.

    Raises:
        UserError: The folder was begun with other data or another recipe.
    """

    def __init__(
        self,
        folder: Path,
        data: str,
        recipe: Recipe,
        *,
        limits: Limits | None = None,
        deadline: float | None = None,
        progress: Callable[[Step], None] | None = None,
    ) -> None:
        self.folder, self.data, self.recipe = folder, data, recipe
        self.limits = limits or Limits(seconds=_EPOCH_SECONDS, answer_bytes=4 * GIB)
        self._deadline, self._progress = deadline, progress
        self._sandboxes: dict[str, Sandbox] = {}
        self._in_use = InUse(folder / ".lock")
        self._resolved: ResolvedData = resolve_data(data, None)
        if self._resolved.job is None:
            raise UserError(f"--data {data}: {' '.join(self._resolved.notes)}: nothing to train on")
        self._options = (limits, deadline, progress)
        self._stopped = False

    def again(self) -> Bench:
        """Another bench for the same trainings, with sandboxes of its own."""
        limits, deadline, progress = self._options
        return Bench(self.folder, self.data, self.recipe, limits=limits, deadline=deadline, progress=progress)

    def stop(self) -> None:
        """End the training that another thread has in hand; it raises :class:`OutOfTime` there."""
        self._stopped = True
        for sandbox in list(self._sandboxes.values()):
            sandbox.abort()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandboxes, and let go of the samples."""
        self._in_use.end()
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self._sandboxes.clear()

    def sandbox(self, framework: str) -> Sandbox:
        """A warm sandbox of a framework."""
        if framework not in self._sandboxes:
            self._sandboxes[framework] = Sandbox(framework)
        return self._sandboxes[framework]

    def prepare(self, framework: str) -> dict[str, Any]:
        """Read the data and write what the trainings read, unless it is there.

        Args:
            framework: Of the sandbox to read it in.

        Returns:
            ``classes``, ``train`` and ``val`` (samples of each), ``shape`` and ``sha256`` of the samples.

        Raises:
            UserError: The data cannot be read, or is not what the folder was begun with.
        """
        config = read_config(self.folder)
        if config is not None:
            self._compare(config)
            self._in_use.begin()
            if self._has_samples():
                return dict(config["samples"])
        job = {
            "task": "nas_assistant.verify._load_data",
            "path": self.data,
            "data": self._resolved.job,
            "train_images": self.recipe.train_images,
            "val_images": self.recipe.val_images,
            "readable": [str(path) for path in self._resolved.readable],
            "listable": [str(path) for path in self._resolved.listable],
        }
        heard: list[bytes] = []
        limits = dataclasses.replace(self.limits, seconds=_LOAD_SECONDS)
        outcome = self.sandbox(framework).run(job, limits, heard.append)
        facts = job_result(outcome, Path(self.data), limits)
        arrays = _checked_samples(heard, self.data)
        facts = {**facts, "sha256": hashlib.sha256(save(arrays)).hexdigest()}
        if config is not None and config["samples"] != facts:
            raise UserError(
                f"--data {self.data}: gives other samples than when the run in {self.folder} began: put "
                "the data back, or name another --run-dir"
            )
        # A model that could read the answers would have to be believed.
        answers = arrays.pop("val_y")
        self._in_use.begin()
        replace_bytes(self.folder / _ANSWERS, save({"val_y": answers}))
        replace_bytes(self.folder / _SAMPLES, save(arrays))
        config = {"data": self.data, "recipe": self.recipe.to_json(), "samples": facts}
        replace_json(self.folder / CONFIG, config)
        return facts

    def _compare(self, config: dict[str, Any]) -> None:
        own = {"data": self.data, **self.recipe.to_json()}
        begun = {"data": config.get("data"), **config.get("recipe", {})}
        for name, value in own.items():
            if begun.get(name) != value:
                raise UserError(
                    f"--{name.replace('_', '-')} {value}: the run in {self.folder} has {begun.get(name)}; "
                    "give that, or name another --run-dir"
                )

    def forget_samples(self) -> None:
        """Remove the copy of the samples, which can be read again, unless others train with it."""
        with self._in_use.alone() as alone:
            for name in (_SAMPLES, _ANSWERS) if alone else ():
                (self.folder / name).unlink(missing_ok=True)

    def _has_samples(self) -> bool:
        return all((self.folder / name).is_file() for name in (_SAMPLES, _ANSWERS))

    def unit(self, subject: Subject, seed: int) -> UnitFolder:
        """The folder of one training."""
        return UnitFolder(self.folder / "units" / f"{subject.key}-{seed}")

    def train(self, subject: Subject, seed: int, until: int | None = None) -> list[Epoch]:
        """Train a model, from the last epoch that was kept, and give all its epochs.

        Args:
            subject: The model.
            seed: Of the weights, the order of the images and their augmentation.
            until: Epochs to reach; all of the recipe's by default. The schedule is that of all.

        Raises:
            ModelError: The model fails, or its worker is lost again and again at the same epoch.
            OutOfTime: The deadline has passed.
        """
        until = self.recipe.epochs if until is None else min(until, self.recipe.epochs)
        unit = self.unit(subject, seed)
        if len(epochs := unit.epochs()) < until:
            with locked(unit.path / "lock"):
                epochs = self._train(subject, seed, until, unit)
        return epochs[:until]

    def _train(self, subject: Subject, seed: int, until: int, unit: UnitFolder) -> list[Epoch]:
        tries = 0
        while len(epochs := unit.epochs()) < until:
            self._check_time()
            self.prepare(subject.framework)
            outcome = self._run(subject, seed, until, unit)
            if outcome.status == "answer":
                job_result(outcome, subject.path, self.limits)
                if len(unit.epochs()) < until:
                    raise _odd(subject)
                continue
            went_on = len(unit.epochs()) > len(epochs)
            tries = 0 if went_on else tries + 1
            if outcome.status not in _LOST or tries >= _TRIES:
                job_result(outcome, subject.path, self.limits)  # says what became of it
            self._tell(Step(subject, seed, tuple(unit.epochs()), self.recipe.epochs, retried=True))
        return epochs

    def _run(self, subject: Subject, seed: int, until: int, unit: UnitFolder) -> Outcome:
        done, state = unit.state() or (0, None)
        answers = load_file(self.folder / _ANSWERS)["val_y"]
        facts = (read_config(self.folder) or {})["samples"]
        path = subject.path.resolve()
        root, beside, listable = reach(path)
        samples = self.folder / _SAMPLES
        readable = (path, *self._not_closed(beside), samples, *((state,) if state else ()))
        job = {
            "task": "nas_assistant.verify._loop",
            "path": str(path),
            "source": subject.source,
            "entry": subject.entry,
            "seed": seed,
            "recipe": self.recipe.to_json(),
            "until": until,
            "classes": facts["classes"],
            "samples": str(samples.resolve()),
            "state": str(state.resolve()) if state else None,
            "root": root and str(root),
            "readable": [str(item.resolve()) for item in readable],
            "listable": [str(folder) for folder in listable],
        }

        def heard(message: bytes) -> None:
            try:
                told, content = unpack(message)
                epoch = Epoch.told(told, answers)
            except ValueError as error:
                raise _odd(subject) from error
            if epoch.number > min(until, len(unit.epochs()) + 1):
                raise _odd(subject)
            unit.keep(epoch, content, last=epoch.number >= self.recipe.epochs)
            self._tell(Step(subject, seed, tuple(unit.epochs()), self.recipe.epochs))
            self._check_time()

        seconds = self.limits.seconds * max(1, until - done)
        return self.sandbox(subject.framework).run(
            job, dataclasses.replace(self.limits, seconds=seconds), heard
        )

    def _not_closed(self, beside: Sequence[Path]) -> list[Path]:
        """What a model may read beside its file: not the data, nor the answers kept here.

        Where its file is among the data, only other Python files are beside it.
        """
        data = self._resolved.job or {}
        closed = [self.folder.resolve()]
        if data["kind"] in ("folder", "zip"):
            closed.append(Path(data["path"]))
        found = (item.resolve() for item in beside)
        return [item for item in found if not any(_exposes(item, one) for one in closed)]

    def _tell(self, step: Step) -> None:
        if self._progress is not None:
            self._progress(step)

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _check_time(self) -> None:
        if self._stopped or (self._deadline is not None and time.monotonic() >= self._deadline):
            raise OutOfTime


def default_folder(root: Path, data: str, recipe: Recipe) -> Path:
    """The folder of some data and recipe, where what was trained once is found again."""
    content = json.dumps([str(data), recipe.to_json()], sort_keys=True).encode()
    name = re.sub(r"[^0-9A-Za-z]+", "-", Path(data).name).strip("-") or "data"
    return root / f"verify-{name}-{hashlib.blake2b(content, digest_size=4).hexdigest()}"


def _exposes(item: Path, closed: Path) -> bool:
    """Whether reading an item would show something of a closed folder or file."""
    inside = item.is_relative_to(closed) and not (item.suffix == ".py" and item.is_file())
    return inside or closed.is_relative_to(item)


def _odd(subject: Subject) -> ModelError:
    message = f"{subject.name}: the sandbox handed back something that is not a training"
    return ModelError(Failure(FailureKind.IMPORT, message))


def _checked_samples(heard: Sequence[bytes], data: str) -> dict[str, np.ndarray[Any, Any]]:
    with contextlib.suppress(Exception):
        _, content = unpack(heard[0])
        arrays = load(content)
        if {"train_x", "train_y", "val_x", "val_y"} == set(arrays):
            return dict(arrays)
    raise UserError(f"--data {data}: the sandbox handed back something that is no data")


@contextlib.contextmanager
def ended_with(futures: Sequence[Future[None]], benches: Sequence[Bench]) -> Iterator[None]:
    """Ends what is under way when the block ends with an error."""
    try:
        yield
    except BaseException:
        for future in futures:
            future.cancel()
        for bench in list(benches):
            bench.stop()
        raise
