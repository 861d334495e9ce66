"""Files that are replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader, and a kill at any moment, meets the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


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
