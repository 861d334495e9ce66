"""What differs between two texts, in lines."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise

from nas_assistant.assistant._header import split_lines
from nas_assistant.sources import syntax_tree

_BEHIND = re.compile(r"\),\s*((?:\w+\.)*[A-Z]\w*)(?=\()")  # a layer behind another in one line


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of a text, and what stands in their place in another; from 0, and the ends are exclusive.

    Attributes:
        start: Of the old lines.
        end: Likewise.
        new_start: Of the new lines.
        new_end: Likewise.
        slack: By how many lines it may as well stand further down: what is put in between lines that are
            like it.
    """

    start: int
    end: int
    new_start: int
    new_end: int
    slack: int = 0

    @property
    def inserts(self) -> bool:
        """Whether it takes nothing away."""
        return self.start == self.end

    @property
    def grows(self) -> bool:
        """Whether it adds lines."""
        return self.new_end - self.new_start > self.end - self.start

    def behind(self, lines: Collection[int]) -> Hunk:
        """The same change, told as one that stands right behind one of these lines, if it may."""
        return next((self.down(by) for by in range(self.slack + 1) if self.start + by in lines), self)

    def down(self, by: int) -> Hunk:
        """The same change, told as one that stands further down."""
        return Hunk(self.start + by, self.end + by, self.new_start + by, self.new_end + by)

    def describe(self) -> str:
        """Where it stands, by the old lines."""
        if self.inserts:
            return f"after line {self.start}" if self.start else "before line 1"
        return f"line {self.end}" if self.end - self.start == 1 else f"lines {self.start + 1}-{self.end}"


class Diff:
    """The hunks between two sources.

    Args:
        before: The old one.
        after: The new one.
    """

    def __init__(self, before: str, after: str) -> None:
        self.old, self.new = split_lines(before), split_lines(after)
        self._begins = _begins(before), _begins(after)

    def hunks(self) -> list[Hunk]:
        """As a diff has them, but that what is put in stands as high as it can."""
        found: list[Hunk] = []
        for tag, *places in _opcodes(self.old, self.new):
            if tag != "equal":
                # A line stays between it and the one above.
                found.append(self._raised(Hunk(*places), found[-1].new_end + 1 if found else 0))
        below = [*(hunk.new_start - 1 for hunk in found[1:]), len(self.new)]
        return [self._loose(*item) for item in zip(found, below, strict=False)]

    def parts(self, hunk: Hunk) -> list[Hunk]:
        """A hunk by statements, else by lines, as both sides have them alike; none if they have not."""
        lines = range(hunk.start, hunk.end), range(hunk.new_start, hunk.new_end)
        statements = [
            [line for line in side if line in begins or line == side[0]]
            for side, begins in zip(lines, self._begins, strict=True)
        ]
        whole = hunk.start in self._begins[0] and len(lines[0]) != len(lines[1])
        return self._paired(hunk, *statements) or ([] if whole else self._paired(hunk, *lines))

    def _paired(self, hunk: Hunk, old: Sequence[int], new: Sequence[int]) -> list[Hunk]:
        """The pieces of a hunk that begin in these lines, each with the one that is named like it."""
        sides = _heads([self.old[line] for line in old], [self.new[line] for line in new])
        cuts = {(0, 0)}
        for _, first, last, start, end in _opcodes(*(list(chain(*side)) for side in sides)):
            cuts.add((last, end))
            if last - first == end - start:
                cuts.update(zip(range(first, last), range(start, end), strict=True))
        # A line that names several layers stays in one piece with what became of them.
        starts, new_starts = (
            dict(zip(accumulate(map(len, side), initial=0), lines, strict=True))
            for side, lines in zip(sides, ((*old, hunk.end), (*new, hunk.new_end)), strict=True)
        )
        whole = [(starts[a], new_starts[b]) for a, b in sorted(cuts) if a in starts and b in new_starts]
        found = [Hunk(a, b, c, d) for (a, c), (b, d) in pairwise(whole)]
        return found if len(found) > 1 else []

    def smallest(self) -> list[Hunk]:
        """All hunks, each in its smallest parts."""

        def leaves(hunks: Iterable[Hunk]) -> list[Hunk]:
            return [leaf for hunk in hunks for leaf in (leaves(self.parts(hunk)) or [hunk])]

        return leaves(self.hunks())

    def _raised(self, hunk: Hunk, above: int) -> Hunk:
        while hunk.inserts and hunk.new_start > above and self._alike(hunk.new_start - 1, hunk.new_end - 1):
            hunk = hunk.down(-1)
        return hunk

    def _loose(self, hunk: Hunk, below: int) -> Hunk:
        slack = 0
        while hunk.inserts and hunk.new_end + slack < below:
            if not self._alike(hunk.new_start + slack, hunk.new_end + slack):
                break
            slack += 1
        return replace(hunk, slack=slack)

    def _alike(self, one: int, other: int) -> bool:
        return self.new[one] == self.new[other]


def _heads(*sides: Sequence[str]) -> list[list[list[str]]]:
    """What each line names: the target of its assignment, and the layers behind the first.

    What is called stands for the target where one comes again.
    """
    targets = [[re.split(r"[=(]", line, maxsplit=1)[0].strip() for line in side] for side in sides]
    if not all(len(set(side)) == len(side) for side in targets):
        targets = [[line.partition("(")[0].strip() for line in side] for side in sides]
    return [
        [[name, *_BEHIND.findall(line)] for name, line in zip(names, lines, strict=True)]
        for names, lines in zip(targets, sides, strict=True)
    ]


def _opcodes(before: Sequence[str], after: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _begins(source: str) -> set[int]:
    """Lines where statements begin, from 0."""
    return {node.lineno - 1 for node in ast.walk(syntax_tree(source)) if isinstance(node, ast.stmt)}
