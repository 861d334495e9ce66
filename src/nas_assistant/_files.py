"""Where runs are kept, and files that are replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUNS = Path("nas-runs")
"""Folder of the runs, below the working directory."""


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """An empty file to write instead of another, whose place it takes when the block ends well.

    A reader, and a kill at any moment, meets the old content or the new one.

    Args:
        path: The file to replace; its folder is there.
        mode: Its permissions, before the process's mask.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file by :func:`replacing`, and its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)


def replace_text(path: Path, text: str) -> None:
    """Write text by :func:`replace_bytes`."""
    replace_bytes(path, text.encode())


def replace_json(path: Path, data: Any, *, indent: int | None = 1) -> None:
    """Write JSON by :func:`replace_text`; without an indent, a large graph is written ten times as fast."""
    replace_text(path, json.dumps(data, indent=indent, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time into a block; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        with contextlib.suppress(ImportError):  # no such lock on this system
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
