"""Which of the legal edits are put before a language model."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

from nas_assistant.edits import growth, legal_changes
from nas_assistant.generators._crowding import without_crowding
from nas_assistant.generators._room import room

if TYPE_CHECKING:
    from nas_assistant.edits import Change, EditContext
    from nas_assistant.generators._base import Request


def list_changes(
    request: Request, context: EditContext, most: int, seed: int, *, shape_safe: bool = False
) -> tuple[list[Change], int]:
    """The changes to choose from, and how many there were before the listing was cut to ``most``.

    What was tried alone before, unless it was better and started elsewhere, what is certain to break
    a limit on size, and what would crowd a place is left out. Where there are more than ``most``, they
    are drawn operation by operation, so that each has its share.

    Args:
        request: What is asked for.
        context: Its source and graph.
        most: Most changes of the listing.
        seed: Of the draw.
        shape_safe: Leave out the edits whose shapes only the sandbox can check.
    """
    tried = {attempt.changes for attempt in request.history if len(attempt.edits) == 1 and attempt.settled}
    left = room(request.graph, request.constraints)
    allowed = request.constraints.allowed_operations
    possible = legal_changes(context, allowed_operations=allowed, shape_safe=shape_safe)
    legal = [
        change
        for change in without_crowding(possible, request, context)
        if (change.edit.describe(),) not in tried and growth(request.graph, change).fits(left)
    ]
    if len(legal) <= most:
        return legal, len(legal)
    draw = random.Random(f"{seed}/{len(request.history)}/{request.source}")
    groups: dict[str, list[int]] = defaultdict(list)
    for place, change in enumerate(legal):
        groups[change.edit.operation].append(place)
    for places in groups.values():
        draw.shuffle(places)
    chosen: list[int] = []
    while len(chosen) < most:
        for places in groups.values():
            if places and len(chosen) < most:
                chosen.append(places.pop())
    return [legal[place] for place in sorted(chosen)], len(legal)
