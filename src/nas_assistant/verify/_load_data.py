"""In the child: the labelled samples of a data set, split into those to train on and those to measure on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from safetensors.numpy import save

from nas_assistant.errors import FailureKind
from nas_assistant.sources.sandboxed import (
    SPLITS,
    JobFailure,
    decode,
    example_shape,
    fitted,
    in_class_folders,
    read_labelled,
    seed_all,
    split_of,
    training_images,
    with_files,
    with_object,
)
from nas_assistant.verify._messages import pack

Array = np.ndarray[Any, Any]
_TRAIN, _HELD_OUT = SPLITS[:3], SPLITS[3:]
_HELD_OUT_SHARE = 0.2
_NEEDED = "images in folders named after their classes, or batches of (samples, class numbers), are needed"
_MAX_BYTES = 2 * 2**30


def run(job: dict[str, Any], tell: Callable[[bytes], None]) -> dict[str, Any]:
    """Read the data that ``job["data"]`` names, tell the arrays, and answer with what they are.

    Raises:
        JobFailure: There are too few labelled samples.
    """
    seed_all(0)
    data, limits = job["data"], (int(job["train_images"]), int(job["val_images"]))
    rng = np.random.default_rng(0)  # the split is part of the data, the same for every seed
    if data["kind"] == "digits":
        arrays = _digits(limits, rng)
    elif data["kind"] == "python":
        arrays = _python(data, limits, rng)
    else:
        arrays = with_files(data, lambda path, names, read: _choose(path, names, read, limits, rng))
    train, held_out = arrays["train_x"], arrays["val_x"]
    if len(train) < 2 or len(held_out) < 2:
        _refuse(_name(data), f"{len(train)} samples to train on and {len(held_out)} to measure on")
    trained = np.unique(arrays["train_y"])
    if len(trained) < 2:
        remedy = "shuffle them, or give arrays or a Dataset, of which samples are drawn at random"
        _refuse(_name(data), f"the {len(train)} samples to train on are of one class", remedy)
    classes = int(max(arrays["train_y"].max(), arrays["val_y"].max())) + 1
    facts: dict[str, Any] = {"classes": classes, "train": len(train), "val": len(held_out)}
    facts["shape"] = list(train.shape[1:])
    if untrained := np.setdiff1d(arrays["val_y"], trained).tolist():
        facts["untrained"] = untrained
    tell(pack(facts, save({name: np.ascontiguousarray(array) for name, array in arrays.items()})))
    return facts


def _digits(limits: tuple[int, int], rng: np.random.Generator) -> dict[str, Array]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images[:, None] * (255 / 16)).astype(np.uint8)
    return _pick(pixels, digits.target.astype(np.int64), limits, rng)


def _choose(
    path: Path,
    names: list[str],
    read: Callable[[str], bytes],
    limits: tuple[int, int],
    rng: np.random.Generator,
) -> dict[str, Array]:
    files, classes = in_class_folders(names)
    if len(classes) < 2:
        _refuse(path.name, f"images of {len(classes)} classes")
    shape = example_shape(path, training_images(files), read)
    files.sort()
    number = {name: index for index, name in enumerate(classes)}
    held = [image for image in files if split_of(image) in _HELD_OUT]
    rest = [image for image in files if split_of(image) not in _HELD_OUT]
    labels = [
        np.array([number[image.parent.name] for image in part], dtype=np.int64) for part in (rest, held)
    ]
    if held:
        chosen = [stratified(part, limit, rng) for part, limit in zip(labels, limits, strict=True)]
    else:
        chosen = list(split_off(labels[0], limits, rng))
        held, labels[1] = rest, labels[0]
    arrays: dict[str, Array] = {}
    for name, part, where, label in zip(("train", "val"), (rest, held), chosen, labels, strict=True):
        arrays[f"{name}_x"] = _decode_all(path, [part[i] for i in where], read, shape)
        arrays[f"{name}_y"] = label[where]
    return arrays


def _decode_all(
    path: Path, files: list[PurePosixPath], read: Callable[[str], bytes], shape: tuple[int, ...]
) -> Array:
    if len(files) * int(np.prod(shape)) > _MAX_BYTES:
        found = f"{len(files):,} images of {shape[1]} x {shape[2]} pixels, over 2 GiB"
        _refuse(path.name, found, "take fewer with --train-images and --val-images, or smaller images")
    pixels = np.empty((len(files), *shape), dtype=np.uint8)
    for row, name in enumerate(files):
        pixels[row] = np.round(fitted(decode(path, name, read(str(name))), shape) * 255)
    return pixels


def _python(data: dict[str, Any], limits: tuple[int, int], rng: np.random.Generator) -> dict[str, Array]:
    place = f"{Path(data['path']).name}: {data['name']}"
    x, y, _, _ = with_object(data, lambda value: read_labelled(value, sum(limits), rng, place))
    return _pick(x, y, limits, rng)


def _pick(x: Array, y: Array, limits: tuple[int, int], rng: np.random.Generator) -> dict[str, Array]:
    train, held = split_off(y, limits, rng)
    return {"train_x": x[train], "train_y": y[train], "val_x": x[held], "val_y": y[held]}


def split_off(labels: Array, limits: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows to train on and rows to hold out, a fifth of each class, within their limits."""
    held = stratified(labels, round(len(labels) * _HELD_OUT_SHARE), rng)
    rest = np.setdiff1d(np.arange(len(labels)), held)
    return rest[stratified(labels[rest], limits[0], rng)], held[stratified(labels[held], limits[1], rng)]


def stratified(labels: Array, count: int, rng: np.random.Generator) -> Array:
    """At most ``count`` rows, drawn at random, each class by its share."""
    if count >= len(labels):
        return np.arange(len(labels))
    places = np.empty(len(labels))
    for label, size in Counter(labels.tolist()).items():
        places[labels == label] = (rng.permutation(size) + rng.random(size)) / size
    return np.sort(np.argsort(places, kind="stable")[:count])


def _name(data: dict[str, Any]) -> str:
    return Path(data["path"]).name if "path" in data else str(data["kind"])


def _refuse(name: str, found: str, remedy: str = _NEEDED) -> None:
    raise JobFailure(FailureKind.IMPORT, f"{name}: {found}; {remedy}")
