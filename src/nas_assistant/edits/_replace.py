"""Replacements of pieces of text: what every edit comes down to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LINE_LENGTH = 100
"""Of what edits write."""


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """New text for the bytes ``[start, end)``; an insertion when both are equal."""

    start: int
    end: int
    text: str

    @property
    def inserts(self) -> bool:
        """Whether it takes nothing away."""
        return self.start == self.end


def overlap(first: Replacement, second: Replacement) -> bool:
    """Whether two replacements cannot both be made.

    Insertions at the ends of a replaced piece are fine, those at the ends of a deleted one are not.
    """
    if first == second and first.inserts:
        return False
    if first.inserts and second.inserts:
        return False
    if first.start < second.end and second.start < first.end:
        return True
    touching = first.end == second.start or second.end == first.start
    deletes = (not first.inserts and not first.text) or (not second.inserts and not second.text)
    return touching and deletes


def replace_all(data: bytes, replacements: Iterable[Replacement]) -> bytes:
    """Make replacements that do not overlap; equal insertions are made once."""
    unique = dict.fromkeys(replacements)
    ordered = sorted(enumerate(unique), key=lambda item: (item[1].start, item[1].end, item[0]))
    pieces: list[bytes] = []
    position = 0
    for _, item in ordered:
        pieces += [data[position : item.start], item.text.encode()]
        position = max(position, item.end)
    return b"".join([*pieces, data[position:]])
