"""In the child: what stands beside the user's file, under its own name in the working directory."""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from nas_assistant.sources._landlock import visible_files

_MAX_LINKS = 4_096


def link_beside(path: Path, folder: Path) -> None:
    """Link what stands beside a file into the scratch folder that the process works in.

    A file that reads ``config.yaml`` finds it there, and what it writes, ``train.log`` say, harms nothing: a
    link is replaced before anything is written in its place. In the file's own folder every writing would
    fail, and in an empty one every reading.

    Args:
        path: The user's file.
        folder: The scratch folder.
    """
    for item in islice(visible_files(path.parent), _MAX_LINKS):
        _link(folder / item.name, item)

    def before(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int):
            if arguments[2] & (os.O_TRUNC | os.O_APPEND) and isinstance(arguments[0], (str, bytes)):
                _detach(folder, Path(os.path.abspath(os.fsdecode(arguments[0]))), itself=True)
        elif event == "os.mkdir" and isinstance(arguments[0], (str, bytes)):
            _detach(folder, Path(os.path.abspath(os.fsdecode(arguments[0]))), itself=False)

    sys.addaudithook(before)


def _detach(folder: Path, path: Path, *, itself: bool) -> None:
    """Put folders of links in the place of linked folders on the way to a path, and nothing in its own."""
    if not path.is_relative_to(folder) or path == folder:
        return
    here = folder
    for part in path.relative_to(folder).parts[:-1]:
        here /= part
        if here.is_symlink() and here.is_dir():
            items = list(islice(here.resolve().iterdir(), _MAX_LINKS))
            here.unlink()
            here.mkdir()
            for item in items:
                _link(here / item.name, item)
    if itself and path.is_symlink():
        path.unlink()


def _link(place: Path, target: Path) -> None:
    if not os.path.lexists(place):
        place.symlink_to(target)
