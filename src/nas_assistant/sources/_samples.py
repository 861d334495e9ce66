"""Labelled samples of the user's data, read in the sandbox."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.sources._inspect import job_result
from nas_assistant.sources._limits import Limits
from nas_assistant.sources._resolve_data import resolve_data
from nas_assistant.sources._sandbox import Sandbox

_SIDE = 32


@dataclass(frozen=True, slots=True)
class Samples:
    """Images of a data set, a random few of all.

    Attributes:
        images: ``(n, C, H, W)``; larger ones are reduced to 32 pixels on their longer side.
        labels: ``(n,)``, classes from 0.
        counts: Training images of every class.
        shape: ``(C, H, W)`` of an image as it is.
        notes: What to announce.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    counts: tuple[int, ...]
    shape: tuple[int, int, int]
    notes: tuple[str, ...] = ()


def read_samples(
    data: str,
    *,
    count: int = 1_000,
    seed: int = 0,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
) -> Samples:
    """Read labelled images of what ``--data`` names, in the sandbox.

    Args:
        data: ``file.py:name``, an image folder or a zip of one, ``cifar10`` or ``digits``.
        count: Most images.
        seed: Of the choice.
        sandbox: A warm sandbox to use again; a fresh one by default.
        limits: What the reading may use.

    Raises:
        UserError: The data is missing, cannot be read, has no class labels or no images.
    """
    resolved = resolve_data(data, None)
    if resolved.job is None:
        raise UserError("; ".join(resolved.notes))
    path = Path(resolved.job.get("path", data))
    job = {
        "path": str(path),
        "data": resolved.job,
        "count": count,
        "seed": seed,
        "readable": [str(item) for item in resolved.readable],
        "listable": [str(item) for item in resolved.listable],
    }
    with contextlib.ExitStack() as stack:
        sandbox = sandbox or stack.enter_context(Sandbox("torch"))
        limits = limits or sandbox.limits
        answer = job_result(sandbox.run(job, limits), path, limits)
    try:
        return _samples(answer)
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path.name}: the sandbox handed back something that is not a set of images ({error})"
        raise ModelError(Failure(FailureKind.IMPORT, message)) from error


def _samples(answer: dict[str, Any]) -> Samples:
    """Check and decode an answer, which is not to be trusted."""
    text, notes = answer["values"], answer["notes"]
    size, labels, counts, shape = (
        tuple(int(number) for number in _list(answer[name]))
        for name in ("shape", "labels", "counts", "sample_shape")
    )
    values = np.frombuffer(base64.b64decode(str(text), validate=True), dtype="<f2")
    images = values.reshape(size).astype(np.float32)
    if images.ndim != 4 or len(shape) != 3 or max(images.shape[2:]) > _SIDE or not np.isfinite(images).all():
        raise ValueError(f"values of shape {size}")
    if len(labels) != len(images) or not labels or min(labels) < 0 or not counts or min(counts) < 0:
        raise ValueError("labels")
    told = tuple(" ".join(str(note).split())[:200] for note in _list(notes))
    return Samples(images, np.asarray(labels, dtype=np.int64), counts, (shape[0], shape[1], shape[2]), told)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value
