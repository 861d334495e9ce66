"""Which changes of a run are left in its best file, by the lines of the user's file."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nas_assistant.assistant._header import split_lines
from nas_assistant.sources import syntax_tree

_LINE = re.compile(r"\(line (\d+)\)")
_MORE_PLACES = re.compile(r", in \d+ places")
# A layer that something was put behind is the first of a sequence since then: conv, conv.0, conv.0.0.
_STEP = re.compile(r"(.*?)(?:\.0)* (\(line \d+\)): (\S+) -> ([^\s:]+)")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_TAKES_OUT = ("remove ", "drop ")

_Opcodes = Sequence[tuple[str, int, int, int, int]]
_Place = tuple[int, int]  # first and last line, from 1


def changes_left(steps: Sequence[tuple[str, Sequence[str]]], best: str) -> tuple[str, ...]:
    """What was changed between the user's file and the best one, without what was taken back on the way.

    Args:
        steps: In order, each source that was changed, and the changes in words; the first is the user's. A
            change that names no ``(line N)`` stands for all that its step changed.
        best: What the last step made.

    Returns:
        The changes, their lines as the user's file counts them, and a plain line for each hunk of the diff
        that none of them explains.
    """
    if not steps:
        return ()
    way = _Way((*(source for source, _ in steps), best))
    told = _joined([one for step, (_, lines) in enumerate(steps) for one in _still_true(way, step, lines)])
    explained = [place for one in told for place in one.explains]
    plain = (hunk.describe() for hunk in way.left if not any(map(hunk.touches, explained)))
    return (*(one.text for one in told), *plain)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change in words, and the places of the user's file that it explains."""

    text: str
    explains: tuple[_Place, ...]


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines of a text, and what stands for them in another one; the end is exclusive."""

    start: int
    end: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    grows: bool = field(compare=False)

    @property
    def place(self) -> _Place:
        """Its lines; of what is put in, the one above."""
        return (self.start + 1, self.end) if self.start < self.end else (max(self.start, 1),) * 2

    @property
    def loses(self) -> bool:
        """Whether anything of the old text is gone, not only something put in between."""
        rest = iter(self.new)
        return not all(token in rest for token in self.old)

    def touches(self, place: _Place) -> bool:
        """Whether it changes a statement, or puts something in behind or before it."""
        first, last = place
        return self.start < last + self.grows and first <= self.end + (self.start == self.end)

    def describe(self) -> str:
        """What it does, for a hunk of which no more is known."""
        if self.start == self.end:
            return (
                f"lines are added after line {self.start}" if self.start else "lines are added before line 1"
            )
        first, last = self.place
        return f"line {last} is changed" if first == last else f"lines {first}-{last} are changed"


class _Way:
    """From the user's file to the best one.

    Args:
        sources: The texts, in order.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        texts = [split_lines(source) for source in sources]
        self._back = [_opcodes(*pair) for pair in pairwise(texts)]
        self._since = [_hunks(texts[0], text) for text in texts]
        self.made = [_hunks(*pair) for pair in pairwise(texts)]
        self.ends = [_statement_ends(source) for source in sources[:-1]]

    @property
    def left(self) -> list[_Hunk]:
        """The diff of the user's file to the best one."""
        return self._since[-1]

    def home(self, step: int, place: _Place) -> _Place:
        """Where the lines that a step found stand in the user's file."""
        first, last = place
        for opcodes in reversed(self._back[:step]):
            first, last = _line_before(opcodes, first), _line_before(opcodes, last)
        return first, last

    def stands(self, step: int, place: _Place) -> bool:
        """Whether what a step did at a place is in the best file: no later step came back to before it."""
        texts = [[hunk for hunk in hunks if hunk.touches(place)] for hunks in self._since]
        kept = len(texts) - 1
        while kept > step:
            kept = texts.index(texts[kept]) - 1  # the step that led to this text first
        return kept == step

    def lacks(self, place: _Place) -> bool:
        """Whether anything of the user's is gone from a place; else what was taken out there was put in."""
        return any(hunk.loses for hunk in self.left if hunk.touches(place))


def _still_true(way: _Way, step: int, lines: Sequence[str]) -> Iterator[_Change]:
    """The changes of a step that are left."""
    made, ends = way.made[step], way.ends[step]
    numbers = [int(found[1]) if (found := _LINE.search(line)) else None for line in lines]
    spots = [(number, ends.get(number, number)) if number is not None else None for number in numbers]
    touched = [[hunk for hunk in made if spot and hunk.touches(spot)] for spot in spots]
    others = [hunk.place for hunk in made if not any(hunk in own for own in touched)]
    for line, spot, own in zip(lines, spots, touched, strict=True):
        explained = [*(hunk.place for hunk in own), *others]
        if spot is None:
            places = explained = [hunk.place for hunk in made]
        elif own or not others:
            places = [spot, *(others if _MORE_PLACES.search(line) else ())]
        else:  # the line is not where its step changed the file
            places = others
        homes = [way.home(step, place) for place in places]
        left = [home for home in homes if way.stands(step, home)]
        if not left or (spot and line.startswith(_TAKES_OUT) and not way.lacks(left[0])):
            continue
        text = _LINE.sub(f"(line {left[0][0]})", line, count=1) if spot else line
        if len(left) < len(homes):
            text = _MORE_PLACES.sub("", text)
        yield _Change(text, (*left, *(way.home(step, place) for place in explained)))


def _joined(told: Sequence[_Change]) -> list[_Change]:
    """Steps such as ``3 -> 5`` and ``5 -> 7`` at one place as one, or as none where they come back."""
    found: list[_Change] = []
    last: dict[tuple[str, ...], _Change] = {}  # by the operation and the layer, and by the line
    for change in told:
        step = _STEP.match(change.text)
        other = last.pop(step.group(1, 2), None) if step else None
        before = _STEP.match(other.text) if other else None
        if step and other and before and before[4] == step[3]:
            found.remove(other)
            if before[3] == step[4]:
                continue
            text = other.text[: before.start(4)] + change.text[step.start(4) :]
            change = _Change(text, (*other.explains, *change.explains))
        found.append(change)
        if step:
            last[step.group(1, 2)] = change
    return found


def _opcodes(before: list[str], after: list[str]) -> _Opcodes:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _hunks(before: list[str], after: list[str]) -> list[_Hunk]:
    def tokens(lines: list[str]) -> tuple[str, ...]:
        return tuple(_TOKEN.findall("".join(lines)))

    return [
        _Hunk(start, end, tokens(before[start:end]), tokens(after[low:high]), high - low > end - start)
        for tag, start, end, low, high in _opcodes(before, after)
        if tag != "equal"
    ]


def _line_before(opcodes: _Opcodes, number: int) -> int:
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
