"""One training, epoch by epoch, as it is kept on the disk."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant._files import replace_bytes, replace_text

_RECORDS, _STATE, _FAILURE = "epochs.jsonl", "state-", "failure.txt"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: From 1.
        loss: Mean over the training batches, or None when it was no number.
        accuracy: On the samples that are never trained on, in [0, 1].
        correct: Which of those were right: bits, as hexadecimal digits.
        seconds: It took.
    """

    number: int
    loss: float | None
    accuracy: float
    correct: str
    seconds: float

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Epoch:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is not an epoch.
        """
        try:
            loss = None if data["loss"] is None else float(data["loss"])
            made = cls(
                int(data["epoch"]),
                loss,
                float(data["accuracy"]),
                bytes.fromhex(data["correct"]).hex(),
                float(data["seconds"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an epoch: {error}") from error
        if not 0 <= made.accuracy <= 1 or not math.isfinite(made.seconds):
            raise ValueError("not an epoch: no such accuracy")
        return made

    @classmethod
    def told(cls, data: dict[str, Any], answers: np.ndarray[Any, Any]) -> Epoch:
        """Score what a job told.

        Args:
            data: Its message, untrusted.
            answers: Classes of the held-out samples.

        Raises:
            ValueError: It is not an epoch.
        """
        try:
            classes = np.asarray(data["classes"], dtype=np.int64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"not an epoch: {error}") from error
        if classes.shape != answers.shape:
            raise ValueError("not an epoch: other samples were classified")
        right = classes == answers
        facts = {"accuracy": float(right.mean()), "correct": np.packbits(right).tobytes().hex()}
        return cls.from_json({**data, **facts})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "epoch": self.number,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "correct": self.correct,
            "seconds": self.seconds,
        }


class UnitFolder:
    """The folder of one (model, seed): the record of each epoch, and what the next one starts from.

    The record is on the disk before the state: after a kill between the two the epoch is trained again, to
    the same end, and its record stays.

    Args:
        path: The folder; made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def epochs(self) -> list[Epoch]:
        """The epochs so far, from the first; what a kill cut short, or another hand damaged, is not."""
        found: list[Epoch] = []
        try:
            lines = (self.path / _RECORDS).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return found
        for line in lines:
            try:
                epoch = Epoch.from_json(json.loads(line))
            except ValueError:
                break
            if epoch.number == len(found) + 1:
                found.append(epoch)
        return found

    def state(self) -> tuple[int, Path] | None:
        """Number of epochs behind the newest state of an epoch on record, and its file."""
        recorded = len(self.epochs())
        states = [(int(path.name.removeprefix(_STATE)), path) for path in self.path.glob(f"{_STATE}*[0-9]")]
        return max((state for state in states if state[0] <= recorded), default=None)

    def keep(self, epoch: Epoch, state: bytes, *, last: bool) -> None:
        """Keep an epoch, and its state unless none can follow."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / _FAILURE).unlink(missing_ok=True)
        if epoch.number > len(self.epochs()):
            self._append(epoch)
        if not last:
            replace_bytes(self.path / f"{_STATE}{epoch.number:04d}", state)
        for path in self.path.glob(f"{_STATE}*[0-9]"):
            if last or path.name < f"{_STATE}{epoch.number:04d}":
                path.unlink(missing_ok=True)

    def fail(self, reason: str) -> None:
        """Keep why the training goes no further."""
        replace_text(self.path / _FAILURE, reason)

    def failure(self) -> str | None:
        """Why the training went no further, if it failed."""
        try:
            return (self.path / _FAILURE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def _append(self, epoch: Epoch) -> None:
        with (self.path / _RECORDS).open("ab+") as file:
            file.seek(0)
            if (text := file.read()) and not text.endswith(b"\n"):
                file.truncate(text.rfind(b"\n") + 1)
            file.write(json.dumps(epoch.to_json()).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
