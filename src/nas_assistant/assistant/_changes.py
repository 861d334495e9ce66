"""Which changes of a run are left in its best file, by the lines of the user's file."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from itertools import pairwise

from nas_assistant.assistant._header import split_lines

_LINE = re.compile(r"\(line (\d+)\)")


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
    hunks = [(start, end) for tag, start, end, *_ in _opcodes(texts[0], split_lines(best)) if tag != "equal"]
    ends = _statement_ends(steps[0][0])
    told, left = [], []
    for step, (_, lines) in enumerate(steps):
        for line in lines:
            found = _LINE.search(line)
            if found is None:
                left.append(line)
                continue
            number = int(found[1])
            for after, before in pairwise(reversed(texts[: step + 1])):
                number = _line_before(before, after, number)
            told.append(line[: found.start(1)] + str(number) + line[found.end(1) :])
            last = ends.get(number, number)
            # What was put in behind a statement, or before it, belongs to it.
            if any(start < last + (start == end) and number <= max(end, start + 1) for start, end in hunks):
                left.append(told[-1])
    return tuple(left or told)


def _opcodes(before: list[str], after: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _line_before(before: list[str], after: list[str], number: int) -> int:
    """The line that stood where a line stands now; for one that was put in, the line above."""
    for _, start, end, new_start, new_end in _opcodes(before, after):
        if new_start < number <= new_end:
            return max(min(start + number - new_start, end), 1)
    return number


def _statement_ends(source: str) -> dict[int, int]:
    """The last line of the statement that begins in a line, if it has no statements inside."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    return {
        line: node.end_lineno or line
        for node in found
        if not hasattr(node, "body")
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
