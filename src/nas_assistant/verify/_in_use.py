"""What several processes use, and the last one removes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # no such lock on this system
    fcntl = None  # type: ignore[assignment]


class InUse:
    """Says to others that something is in use; the end of the process ends that, too.

    Args:
        path: A file beside it; its folder is made with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def begin(self) -> None:
        """Use it, after whoever removes it."""
        if self._file is None and fcntl is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def end(self) -> None:
        """Use it no longer."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else uses it, nor begins to in the block; the use of one's own ends with it."""
        self.begin()
        alone = True
        if self._file is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                alone = False
        try:
            yield alone
        finally:
            self.end()
