"""In the child: labelled samples of a data set, a random few of all."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_assistant.errors import FailureKind
from nas_assistant.sources._data import decode, example_shape, labelled_images, with_files, with_object
from nas_assistant.sources._example import IMAGE_CHANNELS, looks_channels_last, shape_text
from nas_assistant.sources._load import JobFailure

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Some samples of a data set.

    Attributes:
        values: ``(n, C, H, W)`` for images, ``(n, ...)`` otherwise.
        labels: ``(n,)``, from 0.
        counts: Samples of every class in the whole training data; estimated from these where it has no list.
    """

    values: npt.NDArray[Any]
    labels: Integers
    counts: tuple[int, ...]


def load_labelled(data: dict[str, Any], count: int, seed: int, notes: list[str]) -> Labelled:
    """A random ``count`` of the labelled samples that ``--data`` names, of the training part if there is one.

    Args:
        data: ``kind`` (``digits``, ``folder``, ``zip`` or ``python``) and what that kind needs.
        count: Most samples.
        seed: Of the choice.
        notes: Receives what to announce.

    Raises:
        JobFailure: There is nothing to read, or it has no class labels.
    """
    rng = np.random.default_rng(seed)
    kind = data["kind"]
    if kind == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        return _chosen(found.images[:, None] / 16, found.target, count, rng)
    if kind == "python":
        return _python(data, count, rng, notes)
    return with_files(data, lambda path, names, read: _images(path, names, read, count, rng))


def _images(
    path: Path, names: list[str], read: Callable[[str], bytes], count: int, rng: np.random.Generator
) -> Labelled:
    images, classes = labelled_images(path, names)
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [images[i] for i in rng.permutation(len(images))[:count].tolist()]
    arrays = [decode(path, image, read(str(image))) for image in chosen]
    shape = example_shape(path, images, read)
    values = np.stack([fitted(array, shape) for array in arrays])
    labels = np.asarray([numbers[image.parent.name] for image in chosen], dtype=np.int64)
    counts = Counter(image.parent.name for image in images)
    return Labelled(values, labels, tuple(counts[name] for name in classes))


def fitted(array: Floats, shape: tuple[int, ...]) -> Floats:
    """An image made like one of another size or number of channels."""
    if array.shape[0] != shape[0]:
        array = np.broadcast_to(array.mean(axis=0, keepdims=True), (shape[0], *array.shape[1:]))
    return array if array.shape == shape else resized(array, shape[1], shape[2])


def resized(image: Floats, height: int, width: int) -> Floats:
    """An image ``(C, H, W)`` at another size, by area averages."""
    from PIL import Image

    parts = [Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32)) for channel in image]
    return np.stack([np.asarray(part.resize((width, height), Image.Resampling.BOX)) for part in parts])


def _python(data: dict[str, Any], count: int, rng: np.random.Generator, notes: list[str]) -> Labelled:
    path, name = Path(data["path"]), data["name"]
    values, labels, total, listed = with_object(
        data, lambda value: read_labelled(value, count, rng, f"{path.name}: {name}")
    )
    if total is None:
        notes.append(f"{path.name}:{name} does not tell its length: counted as {len(labels)} samples")
    known = labels if listed is None else listed
    share = 1.0 if listed is not None or total is None else total / len(labels)
    counts = np.bincount(known, minlength=int(known.max()) + 1)
    return Labelled(values, labels, tuple(round(share * number) for number in counts.tolist() if number))


def read_labelled(
    value: Any, count: int, rng: np.random.Generator, place: str
) -> tuple[npt.NDArray[Any], Integers, int | None, Integers | None]:
    """Samples, their labels, how many there are in all, and all labels, where these are known."""
    torch = sys.modules.get("torch")
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(hasattr(v, "shape") for v in value):
        labels = _classes(np.asarray(value[1]), place)
        chosen = rng.permutation(len(labels))[:count]
        return _channels_first(np.asarray(value[0])[chosen]), labels[chosen], len(labels), labels
    if torch is not None and isinstance(value, torch.utils.data.DataLoader):
        value.num_workers, value.timeout = 0, 0  # the sandbox allows no processes
        value = value.dataset if _numbered(value.dataset) else value
    elif torch is not None and isinstance(value, torch.utils.data.Dataset) and not _numbered(value):
        value = torch.utils.data.DataLoader(value, batch_size=count)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(value, keras.utils.PyDataset):  # its numbers are of batches
        value = map(value.__getitem__, rng.permutation(len(value)).tolist())
    if _numbered(value):
        chosen = rng.permutation(len(value))[:count]
        items = [_pair(value[int(index)], place) for index in chosen]
        listed = getattr(value, "targets", None)
        known = _classes(np.asarray(listed), place) if listed is not None else None
        values = np.stack([np.asarray(item[0]) for item in items])
        return _channels_first(values), _classes(_stack(items), place), len(value), known
    return _batches(value, count, place)


def _numbered(value: Any) -> bool:
    """Whether there is a sample for each number below its length."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.utils.data.IterableDataset):
        return False  # it has the method of a numbered one, which fails
    if not hasattr(value, "__getitem__") or isinstance(value, (list, tuple, dict)):
        return False
    try:
        return len(value) > 0
    except (TypeError, NotImplementedError):
        return False


def _batches(
    value: Any, count: int, place: str
) -> tuple[npt.NDArray[Any], Integers, int | None, Integers | None]:
    batches: list[tuple[Any, Any]] = []
    try:
        for batch in value:
            batches.append(_pair(batch, place))
            if sum(len(np.asarray(one[0])) for one in batches) >= count:
                break
    except TypeError:
        batches = []
    if not batches:
        raise JobFailure(
            FailureKind.IMPORT, f"{place} yields no batch: give a DataLoader, a Dataset or a function"
        )
    values = np.concatenate([np.asarray(one[0]) for one in batches])[:count]
    labels = np.concatenate([np.asarray(one[1]) for one in batches])[:count]
    return _channels_first(values), _classes(labels, place), None, None


def _pair(item: Any, place: str) -> tuple[Any, Any]:
    if isinstance(item, dict):
        item = tuple(item.values())
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise JobFailure(FailureKind.IMPORT, f"{place} yields no labels: give pairs of sample and class")
    return item[0], item[1]


def _stack(items: list[tuple[Any, Any]]) -> npt.NDArray[Any]:
    return np.stack([np.asarray(item[1]) for item in items])


def _classes(labels: npt.NDArray[Any], place: str) -> Integers:
    """Class numbers, also of one-hot rows."""
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    whole = labels.ndim == 1 and labels.dtype.kind in "fiub" and bool(np.all(labels == np.floor(labels)))
    if not whole or (len(labels) and labels.min() < 0):
        raise JobFailure(FailureKind.IMPORT, f"{place}: its labels are no classes, numbered from 0")
    return np.asarray(labels, dtype=np.int64)


def _channels_first(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.ndim != 4 and values.dtype.kind in "iub":
        return values.astype(np.int64)  # tokens, as the example has them
    scale = 255.0 if values.dtype == np.uint8 else 1.0
    values = values.astype(np.float32) / np.float32(scale)
    if looks_channels_last(values.shape):
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    return values


def _chosen(
    values: npt.NDArray[Any], labels: npt.NDArray[Any], count: int, rng: np.random.Generator
) -> Labelled:
    counts = tuple(np.bincount(labels).tolist())
    chosen = rng.permutation(len(labels))[:count]
    return Labelled(values[chosen].astype(np.float32), labels[chosen].astype(np.int64), counts)


SIDE = 32


def samples_answer(job: dict[str, Any]) -> dict[str, Any]:
    """Samples with sides of at most :data:`SIDE` pixels, as half-precision numbers in base 64.

    Raises:
        JobFailure: They cannot be read, or are no images.
    """
    notes: list[str] = []
    found = load_labelled(job["data"], job["count"], job["seed"], notes)
    shape = found.values.shape
    if len(shape) != 4 or shape[1] not in IMAGE_CHANNELS or not np.isfinite(found.values).all():
        message = f"{Path(job['path']).name}: its samples are no images, but of shape {shape_text(shape[1:])}"
        raise JobFailure(FailureKind.SHAPE, message)
    values, longest = found.values, max(shape[2:])
    if longest > SIDE:
        height, width = (max(1, round(side * SIDE / longest)) for side in shape[2:])
        values = np.stack([resized(image, height, width) for image in values])
    return {
        "values": base64.b64encode(values.astype("<f2").tobytes()).decode(),
        "shape": list(values.shape),
        "sample_shape": list(shape[1:]),
        "labels": found.labels.tolist(),
        "counts": list(found.counts),
        "notes": notes,
    }
