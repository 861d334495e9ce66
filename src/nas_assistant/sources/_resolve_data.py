"""Reads ``--data`` and ``--input-shape``, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant._data_root import find_data_root
from nas_assistant.errors import UserError
from nas_assistant.sources._landlock import visible_files
from nas_assistant.sources._source import read_source

CIFAR10_ZIP = "cifar10_imagefolder.zip"
_MAX_VALUES = 2**26


@dataclass(frozen=True, slots=True)
class ResolvedData:
    """Where samples come from.

    Attributes:
        job: What the child loads, or None.
        input_shape: Shape of one sample, when only that is known.
        readable: What the child must be able to read.
        listable: Folders that it must be able to list.
        notes: What to announce.
    """

    job: dict[str, Any] | None = None
    input_shape: tuple[int, ...] | None = None
    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def resolve_data(data: str | None, input_shape: tuple[int, ...] | None) -> ResolvedData:
    """Check the two options and find the files they name.

    Raises:
        UserError: The shape is not one, the data is none of the known kinds, or its file is missing.
    """
    if input_shape is not None:
        _check_shape(input_shape)
        input_shape = tuple(input_shape)
    if data is None:
        return ResolvedData(input_shape=input_shape)
    if input_shape is not None:
        raise UserError("give --data or --input-shape, not both: the data has a shape of its own")
    if data == "cifar10":
        return _cifar10()
    if data == "digits":
        return ResolvedData(job={"kind": "digits"})
    file, colon, name = data.rpartition(":")
    if colon and file.endswith(".py"):
        return _python(Path(file), name, data)
    return _images(Path(data), data)


def _check_shape(shape: tuple[int, ...]) -> None:
    total, written = 1, ",".join(map(str, shape))
    for size in shape:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UserError(f"--input-shape {written}: sizes must be whole numbers above 0, as in 3,32,32")
        total *= size
    if not shape or total > _MAX_VALUES:
        raise UserError(f"--input-shape {written}: must hold 1 to {_MAX_VALUES:,} values")


def _cifar10() -> ResolvedData:
    archive = find_data_root() / CIFAR10_ZIP
    if archive.is_file():
        return ResolvedData(job={"kind": "zip", "path": str(archive.resolve())}, readable=(archive,))
    return ResolvedData(
        input_shape=(3, 32, 32),
        notes=(f"cifar10: no {CIFAR10_ZIP} in {find_data_root()}; only its shape is used: 3,32,32",),
    )


def _python(path: Path, name: str, data: str) -> ResolvedData:
    if not name.isidentifier():
        raise UserError(f"--data {data}: {name!r} is not a name; write file.py:name")
    source = read_source(path)
    path = path.resolve()
    return ResolvedData(
        job={"kind": "python", "path": str(path), "name": name, "source": source},
        readable=(*visible_files(path.parent), find_data_root()),
        listable=(path.parent,),
    )


def _images(path: Path, data: str) -> ResolvedData:
    if path.is_dir():
        folder = path.resolve()
        return ResolvedData(job={"kind": "folder", "path": str(folder)}, readable=(folder,))
    if path.is_file() and path.suffix == ".zip":
        return ResolvedData(job={"kind": "zip", "path": str(path.resolve())}, readable=(path.resolve(),))
    if path.suffix == ".py":
        raise UserError(f"--data {data}: name what the file yields, as in {data}:train_loader")
    if path.exists():
        raise UserError(
            f"--data {data}: not a folder of images, a zip of one, or file.py:name; "
            "for arrays, name a function that returns (samples, labels): loader.py:load"
        )
    raise UserError(
        f"--data {data}: no such file or folder; give file.py:name, a folder of images, a zip of one, "
        "cifar10 or digits"
    )
