"""Which changes of a run are left in its best file, by the lines of the user's file."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from itertools import pairwise

from nas_assistant.assistant._header import split_lines
from nas_assistant.sources import syntax_tree

_LINE = re.compile(r"\(line (\d+)\)")
_STEP = re.compile(r": (\S+) -> ([^\s:]+)")


def changes_left(steps: Sequence[tuple[str, Sequence[str]]], best: str) -> tuple[str, ...]:
    """What was changed between the user's file and the best one, without what was taken back on the way.

    Args:
        steps: In order, each source that was changed, and the changes in words; the first is the user's. A
            change that names no ``(line N)`` is always told.
        best: What the last step made.

    Returns:
        The changes, their lines as the user's file counts them.
    """
    if not steps:
        return ()
    texts = [split_lines(source) for source, _ in steps]
    hunks = [tuple(places) for tag, *places in _opcodes(texts[0], split_lines(best)) if tag != "equal"]
    back = [_opcodes(before, after) for before, after in pairwise(texts)]
    ends = _statement_ends(steps[0][0])
    told, left = [], []
    for step, (_, lines) in enumerate(steps):
        for line in lines:
            found = _LINE.search(line)
            if found is None:
                left.append(line)
                continue
            number = int(found[1])
            for opcodes in reversed(back[:step]):
                number = _line_before(opcodes, number)
            told.append(line[: found.start(1)] + str(number) + line[found.end(1) :])
            if any(_touches(hunk, number, ends.get(number, number)) for hunk in hunks):
                left.append(told[-1])
    return tuple(_joined(left or told))


def _touches(hunk: tuple[int, ...], first: int, last: int) -> bool:
    """Whether a hunk changes a statement, or puts something in behind or before it."""
    start, end, new_start, new_end = hunk
    adds = new_end - new_start > end - start
    return start < last + adds and first <= end + (start == end)


def _joined(lines: Sequence[str]) -> list[str]:
    """Steps such as ``3 -> 5`` and ``5 -> 7`` at one place as one, or as none where they come back."""
    found: list[str] = []
    for line in lines:
        step = _STEP.search(line)
        place = None if step is None else line[: step.start(1)]
        earlier = [at for at, other in enumerate(found) if place and other.startswith(place)]
        before = _STEP.search(found[earlier[-1]]) if earlier else None
        if step is None or before is None or before[2] != step[1]:
            found.append(line)
            continue
        del found[earlier[-1]]
        if before[1] != step[2]:
            found.append(line[: step.start(1)] + before[1] + line[step.end(1) :])
    return found


def _opcodes(before: list[str], after: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _line_before(opcodes: Sequence[tuple[str, int, int, int, int]], number: int) -> int:
    """The line that stood where a line stands now; for one that was put in, the line above."""
    for _, start, end, new_start, new_end in opcodes:
        if new_start < number <= new_end:
            return max(min(start + number - new_start, end), 1)
    return number


def _statement_ends(source: str) -> dict[int, int]:
    """The last line of the statement that begins in a line, if it has no statements inside."""
    found = [node for node in ast.walk(syntax_tree(source)) if isinstance(node, ast.stmt)]
    return {
        line: node.end_lineno or line
        for node in found
        if not hasattr(node, "body")
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
