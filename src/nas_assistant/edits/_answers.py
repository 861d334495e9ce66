"""Code out of a model's answer: a whole file, or search/replace blocks."""

from __future__ import annotations

import bisect
import difflib
import re
import textwrap
from collections import defaultdict
from dataclasses import dataclass

from nas_assistant.edits._edit import EditError
from nas_assistant.errors import FailureKind

_FENCE = re.compile(r"[ \t]*(`{3,}+|~{3,}+)")
_OPEN_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n]*\n(.*)\Z", re.MULTILINE | re.DOTALL)
# The three lines of a block, in the order in which they come.
_MARKS = (
    re.compile(r"[ \t]*<{5,9}[ \t]*SEARCH"),
    re.compile(r"[ \t]*={5,9}[ \t]*$"),
    re.compile(r"[ \t]*>{5,9}[ \t]*REPLACE"),
)
_ALIKE = 0.85
_HINT = 0.5


def whole_file(answer: str) -> str:
    """The Python file in an answer: its longest fenced block that parses, or the bare answer.

    Args:
        answer: What a model wrote; prose around a fenced block is left out.

    Raises:
        EditError: There is no code in it, or none that parses (``parse``).
    """
    if not answer.strip():
        raise EditError(FailureKind.PARSE, "the answer is empty")
    text = answer.replace("\r\n", "\n")
    blocks = [textwrap.dedent(block) for block in _fenced(text)]
    if not blocks:
        opened = _OPEN_FENCE.search(text)
        blocks = [textwrap.dedent(opened[1])] if opened else [text]
    first: SyntaxError | ValueError | None = None
    for block in sorted(blocks, key=len, reverse=True):
        try:
            tree = compile(block, "<answer>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            first = first or error
            continue
        if tree.co_names or "=" in block:
            return block if block.endswith("\n") else block + "\n"
    if first is None:
        raise EditError(FailureKind.PARSE, "the answer holds no Python code")
    line = first.lineno if isinstance(first, SyntaxError) else None
    reason = first.msg if isinstance(first, SyntaxError) else str(first)
    place = f" (line {line} of the code)" if line else ""
    raise EditError(FailureKind.PARSE, f"the answer is not a Python file that parses: {reason}{place}", line)


@dataclass(frozen=True, slots=True)
class _Place:
    """Lines ``[start, end)`` of the source, and how much they are like what was searched."""

    start: int
    end: int
    ratio: float


def search_replace(source: str, answer: str) -> str:
    """Make the search/replace blocks of an answer.

    A block is ``<<<<<<< SEARCH``, lines of the source, ``=======``, new lines, ``>>>>>>> REPLACE``. Lines
    are found exactly, else whatever their whitespace, else by likeness when one place alone is alike.

    Args:
        source: The file.
        answer: What a model wrote.

    Raises:
        EditError: There is no block, or its lines are not found, with the nearest lines (``parse``).
    """
    blocks = _blocks(answer.replace("\r\n", "\n"))
    if not blocks:
        message = "the answer holds no block of <<<<<<< SEARCH, =======, >>>>>>> REPLACE"
        raise EditError(FailureKind.PARSE, message)
    newline = "\r\n" if "\r\n" in source else "\n"
    lines = source.replace("\r\n", "\n").split("\n")
    for search, replace in blocks:
        wanted = _trimmed(search.split("\n"))
        if not wanted:
            raise EditError(FailureKind.PARSE, "a SEARCH part is empty: name the lines to replace")
        place = _find(lines, wanted)
        new = _indented(replace.split("\n")[:-1], wanted, lines[place.start : place.end])
        lines[place.start : place.end] = new
    text = "\n".join(lines)
    try:
        compile(text, "<answer>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise EditError(FailureKind.PARSE, f"the changed file does not parse: {error}", line) from error
    return text.replace("\n", newline)


def _fenced(text: str) -> list[str]:
    """What stands between a fence and the next line that holds the same fence alone.

    Line by line, since a regular expression takes the square of the length of a hostile answer.
    """
    lines = text.split("\n")
    ends: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        if (bare := line.strip(" \t")) and _FENCE.fullmatch(bare):
            ends[bare].append(number)
    blocks, start = [], 0
    while start < len(lines):
        opened = _FENCE.match(lines[start])
        places = ends.get(opened[1], []) if opened else []
        end = bisect.bisect_right(places, start)
        if end < len(places):
            blocks.append("".join(line + "\n" for line in lines[start + 1 : places[end]]))
            start = places[end]
        start += 1
    return blocks


def _blocks(text: str) -> list[tuple[str, str]]:
    """The SEARCH and the REPLACE part of each whole block."""
    blocks, parts, mark = [], ["", ""], 0
    kept: list[str] = []
    for line in text.split("\n"):
        if not _MARKS[mark].match(line):
            kept.append(line + "\n")
            continue
        if mark:
            parts[mark - 1] = "".join(kept)
        kept = []
        if mark == 2:
            blocks.append((parts[0], parts[1]))
        mark = (mark + 1) % 3
    return blocks


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _squeezed(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def _find(lines: list[str], wanted: list[str]) -> _Place:
    count = len(wanted)
    for before, look in ((lines, wanted), (_squeezed(lines), _squeezed(wanted))):
        hits = [start for start in range(len(lines) - count + 1) if before[start : start + count] == look]
        if len(hits) == 1:
            return _Place(hits[0], hits[0] + count, 1.0)
        if hits:
            told = ", ".join(str(hit + 1) for hit in hits)
            message = (
                f"the SEARCH lines stand {len(hits)} times in the file (lines {told}): add lines around them"
            )
            raise EditError(FailureKind.PARSE, message, hits[0] + 1)
    alike = _alike(lines, wanted)
    good = [place for place in alike if place.ratio >= _ALIKE]
    if good and (len(alike) == 1 or good[0].ratio - alike[1].ratio > 0.05):
        return good[0]
    first = wanted[0].strip()
    if alike and alike[0].ratio >= _HINT:
        near = alike[0]
        shown = "\n".join(lines[near.start : near.end])
        message = (
            f"the SEARCH lines starting {first!r} are not in the file; did you mean these lines "
            f"({near.start + 1}-{near.end})?\n{shown}"
        )
        raise EditError(FailureKind.PARSE, message, near.start + 1)
    raise EditError(FailureKind.PARSE, f"the SEARCH lines starting {first!r} are not in the file")


def _alike(lines: list[str], wanted: list[str]) -> list[_Place]:
    """Places by likeness, best first, none overlapping a better one."""
    look = "\n".join(_squeezed(wanted))
    squeezed = _squeezed(lines)
    found = []
    for size in range(max(1, len(wanted) - 1), len(wanted) + 2):
        for start in range(len(lines) - size + 1):
            matcher = difflib.SequenceMatcher(None, "\n".join(squeezed[start : start + size]), look, False)
            if matcher.real_quick_ratio() >= _HINT and matcher.quick_ratio() >= _HINT:
                found.append(_Place(start, start + size, matcher.ratio()))
    found.sort(key=lambda place: (-place.ratio, place.start, place.end))
    kept: list[_Place] = []
    for place in found:
        if all(place.end <= other.start or place.start >= other.end for other in kept):
            kept.append(place)
        if len(kept) == 2:
            break
    return kept


def _indented(new: list[str], wanted: list[str], found: list[str]) -> list[str]:
    """New lines, shifted by as much as the found lines are shifted against the searched ones."""
    searched = len(wanted[0]) - len(wanted[0].lstrip())
    present = found[0][: len(found[0]) - len(found[0].lstrip())] if found else ""
    if wanted[0][:searched] == present:
        return new
    more = len(present) - searched
    if more > 0:
        return [" " * more + line if line.strip() else line for line in new]
    return [line[-more:] if not line[:-more].strip() else line for line in new]
