"""Where a file's imports are looked for: beside it, and in the working directory above it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from nas_assistant.sources._landlock import visible_files

_MAX_FILES = 4_096


def reach(path: Path) -> tuple[Path | None, list[Path], list[Path]]:
    """What a model's file may import from and read.

    Args:
        path: The file, resolved.

    Returns:
        The working directory where it is above, what may be read, and the folders that may be listed.
    """
    folder, root = package_root(path.parent), working_root(path)
    above = importable_files(root, path) if root else ()
    return root, [*visible_files(folder), *above], [folder, *([root] if root else ())]


def package_root(folder: Path) -> Path:
    """The folder that holds the outermost package around a folder, or itself."""
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def working_root(path: Path) -> Path | None:
    """The working directory, where it is above a file's folder: ``src/model.py`` may import ``src.blocks``.

    Args:
        path: The file, resolved.
    """
    root = Path.cwd().resolve()
    return root if path.parent != root and path.is_relative_to(root) and root.parent != root else None


def importable_files(root: Path, path: Path) -> Iterator[Path]:
    """Python files that can be imported from a root, and no other file there.

    Args:
        root: A folder above the file.
        path: The file; folders on the way to it count though they hold no Python file of their own.
    """
    yield from islice(_python_files(root, path), _MAX_FILES)


def _python_files(root: Path, path: Path) -> Iterator[Path]:
    waiting = [root]
    while waiting:
        for item in visible_files(waiting.pop(0)):
            if item.suffix == ".py":
                yield item
            elif item.name.isidentifier() and item.is_dir() and not item.is_symlink():
                holds = path.is_relative_to(item) or next(item.glob("*.py"), None)
                waiting += [item] if holds else []
