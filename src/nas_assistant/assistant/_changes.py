"""Which changes of a run are left in its best file, by the lines of the user's file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nas_assistant.assistant._header import split_lines
from nas_assistant.assistant._hunks import Diff, Hunk
from nas_assistant.assistant._layer_names import LayerNames, is_labelled
from nas_assistant.edits import Edit, operation_of
from nas_assistant.sources import syntax_tree

_LINE = re.compile(r"\(line (\d+)\)")
_FIRST = re.compile(r"(?:\.0)+$")  # of the layers in a sequence
_LAYER = re.compile(r"\b[A-Z]\w*(?=\()")
_CALL = re.compile(_LAYER.pattern + r"(?:\([^()]*\))?")  # with its arguments, where they call nothing

_Version = tuple[str, "_Made | None"]  # the text of a line, and what made it; None is the user's


def changes_left(
    steps: Sequence[tuple[str, Sequence[Edit | str]]], best: str, names: LayerNames | None = None
) -> tuple[str, ...]:
    """What was changed between the user's file and the best one, without what was taken back on the way.

    A hunk of the diff is told in the words of the steps that made it, and plainly, with these words behind,
    where they made more of it than is left; or where one step put in what an earlier one took out.

    Args:
        steps: In order, each source that was changed, and the changes, as edits or in words; the first is the
            user's. Words that name no ``(line N)`` stand for all that their step changed.
        best: What the last step made.
        names: Of the layers of the user's file.

    Returns:
        The changes, their lines as the user's file counts them.
    """
    if not steps:
        return ()
    way = _Way(steps[0][0])
    for (source, told), after in zip(steps, (*(source for source, _ in steps[1:]), best), strict=True):
        way.go(Diff(source, after), told)
    diff = Diff(steps[0][0], best)
    hunks = way.made(diff.smallest())
    left = {made for _, makers in hunks if all(made.whole for made in makers) for made in makers}
    changes, undone = _joined([change for change in way.changes if left.intersection(change.made)])
    known = left.intersection(made for change in changes for made in (*change.made, *change.brings))
    # What came back is no news where another change tells of the same place.
    quiet = known.union(made for change in undone for made in change.made)
    plain = [(hunk, makers) for hunk, makers in hunks if not makers & known or makers - quiet]
    spoiled = [change for change in way.changes if not left.intersection(change.made)]
    swapped = []
    for hunk, makers in hunks:
        both = [change for change in changes if makers.intersection(change.made)]
        if text := _swapped(hunk, diff, both, makers):
            swapped.append(text)
            changes = [change for change in changes if change not in both]
    return (
        *(change.tell(left, names) for change in changes),
        *swapped,
        *(_plainly(hunk, diff) + _remains(spoiled, makers, names) for hunk, makers in plain),
    )


@dataclass(eq=False, slots=True)
class _Made:
    """What a step made in one place, and whether no later step took some of it out."""

    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Line:
    """A line on the way from the user's file to the best one.

    Attributes:
        versions: What it was, from the user's text on, each with what made it.
        place: The first and the last line of the user's file that it stands for or was put in behind.
        added: Whether it was put in.
    """

    versions: tuple[_Version, ...]
    place: tuple[int, int]
    added: bool = False

    @property
    def number(self) -> int:
        """The line of the user's file that it is, or 0 where it was put in or stands for several."""
        first, last = self.place
        return first if first == last and not self.added else 0

    def where(self) -> str:
        """Its place in words."""
        first, last = self.place
        if self.added:
            return f"added after line {last}" if last else "added before line 1"
        return f"line {last}" if first == last else f"lines {first}-{last}"


@dataclass(frozen=True, slots=True)
class _Change:
    """A change.

    Attributes:
        told: The edit, or words.
        made: What it made, and where.
        brings: What its step made elsewhere, in no one's words.
        base: What had made the lines that it changed.
        alone: Whether these have no more than one layer.
        first: Whether it is of the first step, which calls the layers as the user's network does.
    """

    told: Edit | str
    made: dict[_Made, _Line]
    brings: list[_Made]
    base: set[_Made]
    alone: bool
    first: bool

    def tell(self, left: set[_Made], names: LayerNames | None) -> str:
        """In words, with a line of the user's file and the layer's name there."""
        lines = [line for made, line in self.made.items() if made in left]
        where, edit = lines[0].where(), self.told
        if isinstance(edit, str):
            return _LINE.sub(f"({where})", edit, count=1)
        if len(lines) < len(self.made):
            edit = edit.without("places")
        if names is not None and not self.first:
            named = names.rename(edit, lines[0].number)
            if edit.layer and not named.layer and self.base and not lines[0].added:
                where = f"in what {where} became"  # perhaps no layer of the user's
            edit = named
        return edit.tell(where)


class _Way:
    """Who made each line, from the user's file to the best one.

    Args:
        source: The user's file.
    """

    def __init__(self, source: str) -> None:
        numbered = enumerate(split_lines(source), start=1)
        self._lines = [_Line(((text, None),), (number, number)) for number, text in numbered]
        self._gone: dict[int, _Made] = {}  # by the line of the user's file
        self.changes: list[_Change] = []

    def made(self, hunks: Iterable[Hunk]) -> list[tuple[Hunk, set[_Made]]]:
        """The hunks of the diff between the user's file and the best one, and what made them."""
        found, rest = [], dict(enumerate(self._lines))
        for hunk in hunks:
            gone = {made for line, made in self._gone.items() if hunk.start < line <= hunk.end}
            places = range(hunk.new_start, hunk.new_end + hunk.slack)
            found.append((hunk, gone | _makers(self._lines[place] for place in places)))
            for place in places:
                rest.pop(place, None)
        # What the diff does not show as a step made it is not told in its words.
        for made in _makers(rest.values()):
            made.whole = False
        return found

    def go(self, diff: Diff, told: Sequence[Edit | str]) -> None:
        """Take a step: what it did, and what it is told to have done."""
        ends = _ends("".join(diff.old))
        numbers = [_line_of(change) for change in told]
        spots = [(number, ends.get(number, [number])) for number in numbers]
        hunks = [hunk.behind({last[0] for _, last in spots}) for hunk in diff.smallest()]
        owned = [_own(hunks, *spot) if spot[0] else hunks for spot in spots]
        made = {hunk: _Made() for hunk in hunks}
        rest = [hunk for hunk in hunks if not any(hunk in own for own in owned)]
        if not rest:  # a diff slides along lines that are alike, and joins what several changes put in
            grown = [hunk for hunk in hunks if hunk.grows]
            owned = [
                own
                or (sorted(grown, key=lambda hunk: abs(hunk.start - number))[:1] if _puts_in(change) else [])
                for change, number, own in zip(told, numbers, owned, strict=True)
            ]
        owned = _apart(told, numbers, owned, hunks)
        first = not _makers(self._lines) and not self._gone
        for change, number, own in zip(told, numbers, owned, strict=True):
            # Where nothing changed at its line, it is what changed elsewhere.
            core = own + (rest if not own or _has_more_places(change) else [])
            where = {
                made[hunk]: self._where(number if hunk in own else hunk.start + (not hunk.inserts))
                for hunk in core
            }
            lines = [line for hunk in own for line in self._lines[hunk.start : hunk.end]]
            alone = sum(len(_LAYER.findall(line.versions[-1][0])) for line in lines) < 2
            brings = [made[hunk] for hunk in rest]
            self.changes.append(_Change(change, where, brings, _makers(lines), alone, first))
        takes = [own for change, own in zip(told, owned, strict=True) if _takes_out(change)]
        for hunk in reversed(hunks):
            self._carry(hunk, diff, made[hunk], any(hunk in own for own in takes))

    def _where(self, number: int) -> _Line:
        return self._lines[min(max(number, 1), len(self._lines)) - 1]

    def _carry(self, hunk: Hunk, diff: Diff, made: _Made, takes_out: bool) -> None:
        """Put the new lines of a hunk in the place of the old ones."""
        old = self._lines[hunk.start : hunk.end]
        user = [line for line in old if not line.added] or old or self._lines[: hunk.start][-1:]
        place = (user[0].place[0], user[-1].place[1]) if user else (0, 0)
        added = all(line.added for line in old)
        since = tuple(dict.fromkeys(version for line in old for version in line.versions))
        new = [
            _Line(_earlier(old, text) or (*since, (text, made)), place, added)
            for text in diff.new[hunk.new_start : hunk.new_end]
        ]
        self._lines[hunk.start : hunk.end] = new
        if not new:
            places = [line.place for line in old if not line.added]
            self._gone |= {line: made for first, last in places for line in range(first, last + 1)}
        before, after = _makers(old), _makers(new)
        # What goes out of a line that a step made, or with a diff that only puts in, leaves neither in words.
        mixed = takes_out and made in after and (before or hunk.grows)
        for maker in before | after if mixed else before - after:
            maker.whole = False


def _makers(lines: Iterable[_Line]) -> set[_Made]:
    return {made for line in lines for _, made in line.versions if made}


def _earlier(lines: Iterable[_Line], text: str) -> tuple[_Version, ...]:
    """The versions up to the one that a text comes back to."""
    for line in lines:
        for index, (known, _) in enumerate(line.versions):
            if known == text:
                return line.versions[: index + 1]
    return ()


def _own(hunks: Sequence[Hunk], first: int, ends: Sequence[int]) -> list[Hunk]:
    """The hunks in the smallest piece of source from a line on that has any, or right beside it."""
    for last in ends:
        inside = [hunk for hunk in hunks if hunk.start < last + hunk.inserts and first <= hunk.end]
        beside = [
            hunk for hunk in hunks if hunk.grows and hunk.start == (first - 1 if hunk.inserts else last)
        ]
        if inside or beside:
            return inside or beside
    return []


def _apart(
    told: Sequence[Edit | str], numbers: Sequence[int], owned: Sequence[list[Hunk]], hunks: Sequence[Hunk]
) -> list[list[Hunk]]:
    """The hunks of each change; two that put something in do not share one where there is another near by.

    A diff joins what one puts in with a change of the line below, and then shows nothing else at its line.
    """
    placed = [place for place, change in enumerate(told) if _puts_in(change)]
    taken = {hunk for place in placed for hunk in owned[place]}
    free = [hunk for hunk in hunks if hunk.grows and hunk not in taken]
    found, known = list(owned), set[Hunk]()
    for place in placed:
        if free and owned[place] and known.issuperset(owned[place]):
            found[place] = [min(free, key=lambda hunk: abs(hunk.start - numbers[place]))]
            free.remove(found[place][0])
        known.update(found[place])
    return found


def _ends(source: str) -> dict[int, list[int]]:
    """The last lines of the calls and statements that begin in a line, the smallest first."""
    found: dict[int, list[int]] = {}
    for node in ast.walk(syntax_tree(source)):
        if isinstance(node, ast.Call) or (isinstance(node, ast.stmt) and not hasattr(node, "body")):
            found.setdefault(node.lineno, []).append(node.end_lineno or node.lineno)
    return {line: sorted(ends) for line, ends in found.items()}


def _line_of(change: Edit | str) -> int:
    if isinstance(change, Edit):
        return change.line
    return int(found[1]) if (found := _LINE.search(change)) else 0


def _has_more_places(change: Edit | str) -> bool:
    return isinstance(change, Edit) and "places" in change.arguments


def _takes_out(change: Edit | str) -> bool:
    operation = operation_of(change) if isinstance(change, Edit) else None
    return operation is not None and operation.takes_out


def _puts_in(change: Edit | str) -> bool:
    operation = operation_of(change) if isinstance(change, Edit) else None
    return operation is not None and operation.puts_in


def _joined(changes: Sequence[_Change]) -> tuple[list[_Change], list[_Change]]:
    """Steps such as ``3 -> 5`` and ``5 -> 7`` at one place as one; and apart, those that come back."""
    found: list[_Change] = []
    undone: list[_Change] = []
    for change in changes:
        for other in reversed(found):
            if (edit := _joint(other, change)) is not None:
                found.remove(other)
                made, brings = {**other.made, **change.made}, [*other.brings, *change.brings]
                change = replace(change, told=edit, made=made, brings=brings, first=other.first)
                break
        before, after = change.told.step if isinstance(change.told, Edit) else (None, None)
        (undone if before is not None and before == after else found).append(change)
    return found, undone


def _joint(first: _Change, second: _Change) -> Edit | None:
    """Two edits as one, where the second goes on from what the first left."""
    before, after = first.told, second.told
    if isinstance(before, str) or isinstance(after, str) or not second.base.intersection(first.made):
        return None
    # A layer that something was put behind is the first of a sequence since then, conv.0; and it has another
    # number when something was put in before it.
    alike = _FIRST.sub("", before.layer) == _FIRST.sub("", after.layer) or (
        second.alone and not is_labelled(after)
    )
    start, middle = before.step
    if not alike or start is None or (before.operation, middle) != (after.operation, after.step[0]):
        return None
    return replace(after, layer=before.layer, line=before.line, arguments={**after.arguments, "from": start})


def _plainly(hunk: Hunk, diff: Diff) -> str:
    """What a hunk does, as far as the diff shows it: where it stands, and the layers there."""
    old, new = diff.old[hunk.start : hunk.end], diff.new[hunk.new_start : hunk.new_end]
    if not old:
        text = f"lines are added {hunk.describe()}"
    else:
        text = f"{hunk.describe()} {'is' if len(old) == 1 else 'are'} {'changed' if new else 'removed'}"
    before, after = (", ".join(_LAYER.findall("".join(lines))) for lines in (old, new))
    if before == after:
        return text
    return f"{text}: " + " -> ".join(side for side in (before, after) if side)


def _swapped(hunk: Hunk, diff: Diff, changes: Sequence[_Change], makers: set[_Made]) -> str:
    """What a line has in the place of what a step took out of it, and why; empty where that is not all."""
    edits = [change.told for change in changes if makers.issuperset(change.made)]
    if not len(changes) == len(edits) == 2 or not (_takes_out(edits[0]) and _puts_in(edits[1])):
        return ""
    if not hunk.end - hunk.start == hunk.new_end - hunk.new_start == 1:
        return ""
    before, after = _CALL.findall(diff.old[hunk.start]), _CALL.findall(diff.new[hunk.new_start])
    changed = [f"{old} -> {new}" for old, new in zip(before, after, strict=False) if old != new]
    if len(before) != len(after) or len(changed) != 1:
        return ""
    reason = edits[1].reason if isinstance(edits[1], Edit) else ""
    return f"{hunk.describe()} is changed: {changed[0]}" + (f": {reason}" if reason else "")


def _remains(changes: Sequence[_Change], makers: set[_Made], names: LayerNames | None) -> str:
    """What put in that of which some is left, and why the first of them did."""
    edits = [change for change in changes if makers.intersection(change.made) and not _takes_out(change.told)]
    told, reason = list[str](), ""
    for change in edits:
        if isinstance(edit := change.told, Edit):
            reason, change = reason or edit.reason, replace(change, told=edit.because(""))
        told.append(change.tell(makers, names))
    why = f": {reason}" if reason else ""
    return f" (left of: {'; '.join(dict.fromkeys(told))}){why}" if told else ""
