"""Where in the user's files a layer is created and called."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from nas_assistant.graphs._node import Location

CREATED = "_nas_assistant_created"
_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)')
_LIBRARIES = ("torch", "keras", "tensorflow")
# Where a reader starts to run the model: frames further out are not part of its forward pass.
_ENTRIES = frozenset({"trace_graph", "trace_keras", "trace_tensorflow", "walk"})


@functools.cache
def is_library(file: str) -> bool:
    if file.startswith("<"):
        return True
    parts = Path(file).parts
    if parts[-1].startswith("__autograph_generated_file"):
        return True
    in_site = any(part in ("site-packages", "dist-packages") for part in parts)
    return file.startswith(_PACKAGE) or (in_site and any(name in parts for name in _LIBRARIES))


def _location(frame: FrameType) -> Location:
    code, offset = frame.f_code, frame.f_lasti // 2
    position = next(itertools.islice(code.co_positions(), offset, None), (None, None, None, None))
    line, column = position[0], position[2]
    return Location(code.co_filename, line or frame.f_lineno, column)


def caller_location() -> Location | None:
    """The innermost frame of the running model outside the frameworks and this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not is_library(code.co_filename):
            return _location(frame)
        if code.co_name in _ENTRIES and code.co_filename.startswith(_PACKAGE):
            return None
        frame = frame.f_back
    return None


def creator_location(layer: Any) -> Location | None:
    """The innermost frame that constructs ``layer`` from outside its own constructor."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        if first is not layer and not is_library(code.co_filename):
            return _location(frame)
        frame = frame.f_back
    return None


def location_in_trace(trace: str) -> Location | None:
    """The innermost place outside the frameworks that a printed traceback names."""
    frames = [(match["file"], int(match["line"])) for match in _FRAME.finditer(trace)]
    return next((Location(file, line) for file, line in reversed(frames) if not is_library(file)), None)


def created_at(layer: Any) -> Location | None:
    """Where a layer was created, when :func:`record_creation` was active then."""
    place = getattr(layer, "__dict__", {}).get(CREATED)
    return place if isinstance(place, Location) else None


@contextlib.contextmanager
def record_creation() -> Iterator[None]:
    """While active, PyTorch modules and Keras layers note the line that creates them.

    Frameworks that are not loaded when it starts are left alone.
    """
    with contextlib.ExitStack() as stack:
        if "torch" in sys.modules:
            stack.enter_context(_record_torch())
        if "keras" in sys.modules:
            from nas_assistant.graphs._keras import record_keras_creation

            stack.enter_context(record_keras_creation())
        yield


@contextlib.contextmanager
def _record_torch() -> Iterator[None]:
    import torch

    original = torch.nn.Module.__init__

    @functools.wraps(original)
    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        if CREATED not in self.__dict__:
            self.__dict__[CREATED] = creator_location(self)
        original(self, *args, **kwargs)

    torch.nn.Module.__init__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.__init__ = original  # type: ignore[method-assign]
