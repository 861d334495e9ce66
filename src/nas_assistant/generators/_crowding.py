"""Places of the user's file that have grown enough."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_assistant.edits import Change, EditContext, Replacement
    from nas_assistant.generators._base import Request

_LAYER = re.compile(r"\b(?!Sequential\b)[A-Z]\w*(?=\()")
_BLOCK = 3  # an activation, a layer and its normalisation


def without_crowding(changes: Iterable[Change], request: Request, context: EditContext) -> list[Change]:
    """The changes but for those that put layers where a run has put a block already.

    What raises the prediction most tends to do so again, until everything stands in one line of the file.

    Args:
        changes: Of the request's source.
        request: What is asked for.
        context: Its source.
    """
    if not request.original:
        return list(changes)
    full = _full_lines(request.original.split("\n"), request.source.split("\n"))

    def crowds(item: Replacement) -> bool:
        old = context.tree.data[item.start : item.end].decode()
        return _layers(item.text) > _layers(old) and bool(full & _lines(item, context))

    return [change for change in changes if not any(map(crowds, change.replacements))]


def _full_lines(original: list[str], source: list[str]) -> set[int]:
    """Numbers, from 1, of the lines that have grown by a block."""
    full = set[int]()
    for kind, first, last, start, end in SequenceMatcher(None, original, source, False).get_opcodes():
        before, after = ("\n".join(lines) for lines in (original[first:last], source[start:end]))
        if kind != "equal" and _layers(after) - _layers(before) >= _BLOCK:
            if kind == "insert":
                start, end = _slid(source, start, end)
            full.update(range(start + 1, end + 1))
    return full


def _slid(source: list[str], start: int, end: int) -> tuple[int, int]:
    """Where lines may have been put in that are told to be these: the lines beside them are alike."""
    size = end - start
    while start and source[start - 1] == source[start - 1 + size]:
        start -= 1
    while end < len(source) and source[end] == source[end - size]:
        end += 1
    return start, end


def _lines(item: Replacement, context: EditContext) -> set[int]:
    """Numbers, from 1, of the line that a replacement stands behind and of the one where its text begins."""
    line, _ = context.tree.place(item.start)
    return {line, line + item.text.lstrip(", \r").startswith("\n")}


def _layers(text: str) -> int:
    return len(_LAYER.findall(text))
