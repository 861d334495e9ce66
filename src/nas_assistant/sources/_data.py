"""In the child: the first samples of a data set."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from nas_assistant.errors import FailureKind
from nas_assistant.sources._example import Example, looks_channels_last, shape_text
from nas_assistant.sources._load import JobFailure, describe, load_module
from nas_assistant.sources._names import Names
from nas_assistant.sources._source import syntax_tree

SAMPLES = 2
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff"}
SPLITS = ("train", "training", "trainset", "test", "testing", "val", "valid", "validation")
_MAX_SIDE = 4096

_Taken = TypeVar("_Taken")


def load_example(data: dict[str, Any], notes: list[str]) -> Example:
    """Two samples of the data that ``--data`` names.

    Args:
        data: ``kind`` (``digits``, ``folder``, ``zip`` or ``python``) and what that kind needs.
        notes: Receives what to announce.

    Raises:
        JobFailure: There is nothing to read.
    """
    kind = data["kind"]
    if kind == "digits":
        return _digits(notes)
    if kind == "python":
        return _python(data, notes)
    return with_files(data, lambda path, names, read: _images(path, names, read, notes))


def with_files(
    data: dict[str, Any], take: Callable[[Path, list[str], Callable[[str], bytes]], _Taken]
) -> _Taken:
    """What ``take`` makes of a folder or a zip: its path, the names in it, and what reads one of them.

    Raises:
        JobFailure: It is no zip file.
    """
    path = Path(data["path"])
    if data["kind"] != "zip":
        return take(path, list(walk(path)), lambda name: (path / name).read_bytes())
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
            return take(path, names, archive.read)
    except zipfile.BadZipFile:
        raise JobFailure(FailureKind.IMPORT, f"{path.name}: not a zip file") from None


def with_object(data: dict[str, Any], take: Callable[[Any], _Taken]) -> _Taken:
    """What ``take`` makes of the object that a Python file names, or of what it returns.

    Raises:
        JobFailure: The file or its data fails, or has no such name.
    """
    path, name = Path(data["path"]), data["name"]
    working = Path.cwd()
    os.chdir(path.parent)  # data sets are often named relative to their file
    try:
        module = load_module(path, data["source"])
        if not hasattr(module, name):
            own = Names(syntax_tree(data["source"]))
            known = ", ".join([*own.functions, *own.classes, *own.assigned]) or "none"
            message = f"{path.name} defines no {name!r} for --data; its names: {known}"
            raise JobFailure(FailureKind.IMPORT, message)
        value = getattr(module, name)
        return take(value() if _is_maker(value) else value)
    except Exception as error:
        failure = describe(error, path, "the sandbox")
        raise JobFailure(failure.kind, failure.message) from error
    finally:
        os.chdir(working)


def _digits(notes: list[str]) -> Example:
    from sklearn.datasets import load_digits

    images = load_digits().images[:SAMPLES, None].astype("float32") / 16
    notes.append("digits: 1,8,8, 10 classes")
    return Example(images)


def walk(root: Path) -> Iterator[str]:
    """Files of a folder, relative to it, in order."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in sorted(files) if not name.startswith("."))


def labelled_images(path: Path, names: list[str]) -> tuple[list[PurePosixPath], list[str]]:
    """The images of the training part, or of all, and the names of the classes, in order.

    Raises:
        JobFailure: There are none.
    """
    labelled, classes = in_class_folders(names)
    if not classes:
        message = f"{path.name}: no images in folders named after their classes (CLASS/image.png)"
        raise JobFailure(FailureKind.IMPORT, message)
    return training_images(labelled), classes


def in_class_folders(names: list[str]) -> tuple[list[PurePosixPath], list[str]]:
    """The images whose folder is a class, and the names of the classes, in order.

    A folder called like a split is one if it holds class folders, and where no folder has another name.
    """
    images = [PurePosixPath(name) for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    splits = {image.parent.parent for image in images if image.parent.parent.name.lower() in SPLITS}
    labelled = [image for image in images if len(image.parts) > 1 and image.parent not in splits]
    classes = {image.parent.name for image in labelled}
    return (labelled, sorted(classes)) if classes - set(SPLITS) else ([], [])


def split_of(image: PurePosixPath) -> str:
    """The split of an image in a class folder, as its folder is called; empty where there is none."""
    name = image.parent.parent.name.lower()
    return name if name in SPLITS else ""


def training_images(labelled: list[PurePosixPath]) -> list[PurePosixPath]:
    """Those of the training split, or all where there is none."""
    return [image for image in labelled if split_of(image) in SPLITS[:3]] or labelled


def example_shape(path: Path, training: list[PurePosixPath], read: Callable[[str], bytes]) -> tuple[int, ...]:
    """Shape of the image that models are built with; images of other sizes are made like it.

    Raises:
        JobFailure: It cannot be read.
    """
    image = training[0]
    shape: tuple[int, ...] = decode(path, image, read(str(image))).shape
    return shape


def _images(path: Path, names: list[str], read: Callable[[str], bytes], notes: list[str]) -> Example:
    images, classes = labelled_images(path, names)
    chosen = [images[0], images[-1]]
    arrays = [decode(path, image, read(str(image))) for image in chosen]
    if arrays[0].shape != arrays[1].shape:
        notes.append(f"{path.name}: images of several sizes; that of {chosen[0].name} is used")
        arrays[1] = arrays[0]
    example = Example(np.stack(arrays))
    notes.append(f"{path.name}: {shape_text(example.values.shape[1:])}, {len(classes)} classes")
    return example


def decode(path: Path, name: PurePosixPath, content: bytes) -> np.ndarray[Any, Any]:
    """An image file as ``(1 or 3, H, W)``, in [0, 1].

    Raises:
        JobFailure: It is no image, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if max(image.size) > _MAX_SIDE:
                message = f"{path.name}: {name} is {image.size[0]} x {image.size[1]} pixels: too large"
                raise JobFailure(FailureKind.IMPORT, message)
            pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"), dtype=np.float32) / 255
    except (UnidentifiedImageError, OSError) as error:
        raise JobFailure(FailureKind.IMPORT, f"{path.name}: {name} is not an image") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _python(data: dict[str, Any], notes: list[str]) -> Example:
    path, name = Path(data["path"]), data["name"]
    batch = with_object(data, lambda value: _first_batch(value, path, name))
    shape = shape_text(batch.channels_first().shape[1:])
    notes.append(f"input shape {shape} (from {path.name}:{name})")
    return batch


def _is_maker(value: Any) -> bool:
    """Whether a value is a function or a class that makes the data rather than the data."""
    if isinstance(value, type):
        return True
    return callable(value) and not hasattr(value, "__iter__") and not hasattr(value, "__getitem__")


def _first_batch(value: Any, path: Path, name: str) -> Example:
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None and isinstance(value, torch.utils.data.DataLoader):
        value.num_workers = 0  # the sandbox allows no processes
        value.timeout = 0
    elif torch is not None and isinstance(value, torch.utils.data.Dataset):
        value = torch.utils.data.DataLoader(value, batch_size=SAMPLES)
    channels_last = tensorflow is not None and isinstance(value, tensorflow.data.Dataset)
    try:
        batch = value if hasattr(value, "shape") else next(iter(value))
    except (TypeError, StopIteration):
        message = f"{path.name}: {name} yields no batch: give a DataLoader, a Dataset or a function"
        raise JobFailure(FailureKind.IMPORT, message) from None
    while isinstance(batch, (tuple, list, dict)) and batch:
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    array = np.asarray(batch)
    if array.ndim < 1 or array.dtype.kind not in "fiub":
        message = f"{path.name}: {name} yields {type(batch).__name__}, not a batch of numbers"
        raise JobFailure(FailureKind.IMPORT, message)
    array = array[:SAMPLES] if len(array) >= SAMPLES else np.repeat(array[:1], SAMPLES, axis=0)
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif array.dtype.kind in "ub" or array.dtype.itemsize < 8:
        array = array.astype(np.float32 if array.ndim == 4 else np.int64)
    of_torch = torch is not None and isinstance(batch, torch.Tensor)
    if tensorflow is not None and not of_torch:  # plain arrays for Keras do not say so
        channels_last = channels_last or looks_channels_last(array.shape)
    return Example(array, channels_last)
