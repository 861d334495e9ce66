"""Reads the label tables."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from nas_assistant._data_root import VARIABLE
from nas_assistant.errors import UserError

Row = TypeVar("Row")


def require(root: Path, name: str, original: str) -> Path:
    """The path of a table, ``name`` or the same without ``.gz``.

    Args:
        root: Folder of the tables.
        name: File name, ending with ``.csv.gz``.
        original: The public original that may stand in for it.

    Raises:
        UserError: No such file.
    """
    path = root / name
    plain = path.with_suffix("")
    if not path.is_file() and plain.is_file():
        return plain
    if not path.is_file():
        raise UserError(f"{path}: no such label table; set {VARIABLE} to the folder that has it ({original})")
    return path


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file, gzipped where its name ends with ``.gz``, as dictionaries.

    Raises:
        UserError: The file is not a CSV table.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
            yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise UserError(f"{path}: not a CSV table ({error})") from error


def read_table(path: Path, convert: Callable[[dict[str, str]], Row], title: str) -> list[Row]:
    """Every row of a table, converted.

    Args:
        path: A CSV file, gzipped where its name ends with ``.gz``.
        convert: Makes something of one row.
        title: The benchmark, for the error.

    Raises:
        UserError: A row could not be converted; the message has its line.
    """
    converted = []
    for line, row in enumerate(read_rows(path), start=2):
        try:
            converted.append(convert(row))
        except KeyError as error:
            raise UserError(f"{path}: not the {title} table, it has no column {error}") from error
        except (TypeError, ValueError, UserError) as error:
            raise UserError(f"{path}, line {line}: not a row of the {title} table ({error})") from error
    return converted
