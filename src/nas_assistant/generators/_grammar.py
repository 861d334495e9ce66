"""The grammar of an answer that chooses among listed edits, such that whatever it gives can be made."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_assistant.edits import edit_id, growth
from nas_assistant.generators._base import Constraints
from nas_assistant.generators._room import room

if TYPE_CHECKING:
    from nas_assistant.edits import Change
    from nas_assistant.graphs import ComputationalGraph

MOST_EDITS = 3
_FREE = Constraints()
LONGEST_REASON = 120


@dataclass(frozen=True, slots=True)
class Offer:
    """What one answer may choose, as positions in a listing.

    Attributes:
        slots: At most one edit of each slot, in this order; edits of different slots go together.
        alone: Edits that may only be the one edit of an answer.
    """

    slots: tuple[tuple[int, ...], ...]
    alone: tuple[int, ...] = ()

    @property
    def positions(self) -> tuple[int, ...]:
        """Every edit that may be chosen, ascending."""
        return tuple(sorted({*(place for slot in self.slots for place in slot), *self.alone}))


def make_offer(
    changes: Sequence[Change],
    graph: ComputationalGraph,
    seed: str,
    *,
    avoid: Collection[int] = (),
    vary: bool = True,
    constraints: Constraints = _FREE,
    most: int = MOST_EDITS,
) -> Offer | None:
    """Deal a listing out into slots, so that every choice can be made.

    Edits that conflict, directly or through others, come into one slot. Under a limit on size, an edit that
    uses up more than its slot's share of the room may only be chosen alone.

    Args:
        changes: The listing.
        graph: The graph that the changes are for.
        seed: Of the draw; equal seeds give equal offers.
        avoid: Positions that are not offered.
        vary: Offer one half of the operations, drawn at random. A small model's choices hardly vary with its
            temperature (see ``generators/llama_cpp``), so the variety has to come from here.
        constraints: Of the result.
        most: Most edits of an answer.

    Returns:
        The offer, or None when nothing is left.
    """
    draw = random.Random(seed)
    free = [place for place in range(len(changes)) if place not in avoid]
    if vary and free:
        names = sorted({changes[place].edit.operation for place in free})
        kept = frozenset(draw.sample(names, math.ceil(len(names) / 2)))
        free = [place for place in free if changes[place].edit.operation in kept]
    if not free:
        return None
    left = room(graph, constraints)
    grown = {place: growth(graph, changes[place]) for place in free}
    small = [place for place in free if grown[place].fits(left, 1 / most)]
    # The layer between two wider ones grows by the product: under a limit an answer widens once.
    limited = left != room(graph, _FREE)
    once = [n for n in small if limited and changes[n].writes and grown[n].parameters > 0]
    groups = _groups(changes, small, once)
    draw.shuffle(groups)
    slots: list[list[int]] = [[] for _ in range(min(most, len(groups)))]
    for group in sorted(groups, key=len, reverse=True):
        min(slots, key=len).extend(group)
    draw.shuffle(slots)
    alone = tuple(place for place in free if place not in frozenset(small))
    return Offer(tuple(tuple(sorted(slot)) for slot in slots), alone)


def operations_grammar(
    offer: Offer, told: Sequence[str] = (), *, longest_reason: int = LONGEST_REASON
) -> str:
    """The offer as a grammar of llama.cpp (GBNF).

    It gives ``{"edits": [{"id": "e12", "reason": "..."}]}`` with its one layout: no choice that is not
    offered, none twice, none beside one that it conflicts with; each reason is printable ASCII of a bounded
    length.

    Args:
        offer: What may be chosen; something has to be.
        told: The listing in words. Given, an ``edit`` between id and reason repeats those of the choice: a
            small model gives its reason for what it has just read, and else for any line of the listing.
        longest_reason: Most characters of a reason.
    """
    if not offer.positions:
        raise ValueError("an empty offer has no answer")
    chains = []
    for first in range(len(offer.slots)):
        more = "".join(f' (", " choice{later})?' for later in range(first + 1, len(offer.slots)))
        chains.append(f"choice{first}{more}")
    rules = []
    for number, slot in enumerate(offer.slots):
        rules.append(_choice(f"choice{number}", slot, told))
    if offer.alone:
        chains.append("alone")
        rules.append(_choice("alone", offer.alone, told))
    return "\n".join(
        [
            r'root ::= "{\"edits\": [" edits "]}"',
            f"edits ::= {' | '.join(chains)}",
            *rules,
            rf'reason ::= ", \"reason\": \"" sign{{1,{longest_reason}}} "\"}}"',
            r"sign ::= [ !#-\[\]-~]",
            "",
        ]
    )


def longest_answer(offer: Offer, told: Sequence[str] = (), *, longest_reason: int = LONGEST_REASON) -> int:
    """Most characters, and so most tokens, that an answer under the grammar has."""
    chosen = max(len(_told(place, told)) for place in offer.positions)
    edit = len('{"id": ", "reason": ""}, ') + chosen + longest_reason
    return len('{"edits": []}') + edit * max(len(offer.slots), 1)


def _choice(name: str, positions: Sequence[int], told: Sequence[str]) -> str:
    texts = (_told(place, told).replace("\\", "\\\\").replace('"', '\\"') for place in positions)
    ids = " | ".join(f'"{text}"' for text in texts)
    return f'{name} ::= "{{\\"id\\": \\"" ({ids}) reason'


def _told(place: int, told: Sequence[str]) -> str:
    """A choice as JSON, from its id to the end of the string before the reason."""
    words = f', "edit": {json.dumps(told[place])}' if told else ""
    return f'{edit_id(place)}"{words}'


def _groups(changes: Sequence[Change], places: Sequence[int], once: Sequence[int]) -> list[list[int]]:
    """The places, grouped so that no two of different groups conflict; those of ``once`` are one group."""
    parent = {place: place for place in places}

    def root(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    for number, place in enumerate(places):
        for other in places[:number]:
            if changes[place].edit.key == changes[other].edit.key or changes[place].conflicts(changes[other]):
                parent[root(place)] = root(other)
    for place in once[1:]:
        parent[root(place)] = root(once[0])
    groups: dict[int, list[int]] = defaultdict(list)
    for place in places:
        groups[root(place)].append(place)
    return list(groups.values())
