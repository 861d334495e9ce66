"""In the child: what stands beside the user's file, under its own name in the working directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from nas_assistant._files import RUNS
from nas_assistant.sources._landlock import visible_files
from nas_assistant.sources._limits import MIB

_SMALL, _ROOM = 2 * MIB, 8 * MIB
_MOST_ITEMS, _MOST_IN_FOLDER, _DEPTH = 1_024, 64, 3
_LEFT_OUT = ("__pycache__", RUNS.name)


class Beside:
    """Brings what stands beside a file into the scratch folder that the process works in.

    A file that reads ``config.yaml`` finds it there, and what it writes, ``train.log`` say, harms nothing:
    small files and folders are copies. In the file's own folder every writing would fail, and in an empty one
    every reading.

    Args:
        links: Whether the rest is linked; only where the system keeps the process from writing there.
    """

    def __init__(self, links: bool) -> None:
        self._links, self._left, self._items = links, _ROOM, _MOST_ITEMS

    def bring(self, path: Path, folder: Path) -> None:
        """Bring what stands beside ``path``, but for Python files, which imports find where they are."""
        self._bring(visible_files(path.parent), folder, _DEPTH)

    def _bring(self, items: Iterable[Path], folder: Path, depth: int) -> None:
        for item in items:
            if not self._items:
                return
            self._items -= 1
            place = folder / item.name
            if item.suffix == ".py" or item.name in _LEFT_OUT or os.path.lexists(place):
                continue
            with suppress(OSError):  # what may not be read is not there
                inside = list(islice(visible_files(item), _MOST_IN_FOLDER + 1)) if item.is_dir() else None
                if inside is not None and depth and len(inside) <= _MOST_IN_FOLDER:
                    place.mkdir()
                    self._bring(inside, place, depth - 1)
                elif item.is_file() and (size := item.stat().st_size) <= min(_SMALL, self._left):
                    self._left -= size
                    shutil.copyfile(item, place)
                elif self._links:
                    place.symlink_to(item)
