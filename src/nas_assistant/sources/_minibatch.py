"""In the child: one labelled minibatch of a data set."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant.errors import FailureKind
from nas_assistant.sources import _data
from nas_assistant.sources._example import Example
from nas_assistant.sources._load import JobFailure

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Samples and their classes.

    Attributes:
        example: The samples.
        labels: ``(batch,)`` class numbers, or None where the data has none.
    """

    example: Example
    labels: Array | None


def load_minibatch(data: dict[str, Any], count: int, seed: int) -> Minibatch:
    """Samples of the data that ``--data`` names.

    Images and digits are drawn at random and brought to mean 0 and deviation 1 in each channel; what a
    Python file yields is taken as it comes.

    Args:
        data: As for ``load_example``.
        count: Samples at most.
        seed: Of the draw.

    Raises:
        JobFailure: There is nothing to read.
    """
    if data["kind"] == "digits":
        return _digits(count, seed)
    if data["kind"] == "python":
        return _data.read_python(data, lambda value, name: _collect(value, name, count))
    path = Path(data["path"])
    if data["kind"] == "folder":
        names = list(_data.walk_files(path))
        return _images(path, names, lambda name: (path / name).read_bytes(), count, seed)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if not name.startswith("__MACOSX"))
            return _images(path, names, archive.read, count, seed)
    except zipfile.BadZipFile:
        raise JobFailure(FailureKind.IMPORT, f"{path.name}: not a zip file") from None


def _digits(count: int, seed: int) -> Minibatch:
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = random.Random(seed).sample(range(len(digits.images)), min(count, len(digits.images)))
    return Minibatch(Example(_standardised(digits.images[chosen][:, None])), digits.target[chosen])


def _images(path: Path, names: list[str], read: Callable[[str], bytes], count: int, seed: int) -> Minibatch:
    images, classes = _data.class_images(path, names)
    arrays: list[Array] = []
    labels: list[int] = []
    for image in random.Random(seed).sample(images, len(images)):
        array = _data.decode_image(path, image, read(str(image)))
        if not arrays or array.shape == arrays[0].shape:
            arrays.append(array)
            labels.append(classes.index(image.parent.name))
        if len(arrays) == count:
            break
    return Minibatch(Example(_standardised(np.stack(arrays))), np.asarray(labels))


def _standardised(images: Array) -> Array:
    mean, deviation = (f(images, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    return np.asarray((images - mean) / np.maximum(deviation, 1e-6), dtype=np.float32)


def _collect(value: Any, name: str, count: int) -> Minibatch:
    inputs: list[Array] = []
    labels: list[Array | None] = []
    for batch in _data.iterate_batches(value, name, count):
        samples, classes = _pair(batch)
        inputs.append(_data.model_input(samples, name))
        labels.append(_class_numbers(classes, len(inputs[-1])))
        if sum(map(len, inputs)) >= count:
            break
    if not inputs:
        raise _data.no_batch(name)
    known = [found for found in labels if found is not None]
    joined = np.concatenate(known)[:count] if len(known) == len(inputs) else None
    return Minibatch(Example(np.concatenate(inputs)[:count], _data.is_channels_last(value)), joined)


def _pair(batch: Any) -> tuple[Any, Any]:
    """Samples and labels: the first two of a sequence or of a dictionary's values."""
    values = list(batch.values()) if isinstance(batch, dict) else batch
    if not isinstance(values, (tuple, list)):
        return values, None
    samples = values[0]
    while isinstance(samples, (tuple, list, dict)) and samples:
        samples = next(iter(samples.values())) if isinstance(samples, dict) else samples[0]
    return samples, values[1] if len(values) > 1 else None


def _class_numbers(labels: Any, count: int) -> Array | None:
    """Whole numbers ``(count,)``, also from one-hot rows; None for what is no class."""
    if labels is None or isinstance(labels, (dict, str)):
        return None
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] > 1 and len(array) == count and np.all(array.sum(axis=1) == 1):
        array = array.argmax(axis=1)
    array = array.reshape(-1) if array.size == count else array
    return array.astype(np.int64) if array.shape == (count,) and array.dtype.kind in "iu" else None
