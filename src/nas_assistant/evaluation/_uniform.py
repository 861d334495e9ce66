"""The control of a model that chooses: a draw under the same grammar that looks at nothing."""

from __future__ import annotations

import random
from typing import ClassVar

from nas_assistant.edits import EditContext, EditError, make_changes
from nas_assistant.generators import BaseGenerator, Offer, Proposal, Request, list_changes, make_offer


class UniformGenerator(BaseGenerator):
    """Draws from the offers that ``llama_cpp`` puts before its model: the same listing, halves and slots.

    Args:
        max_listed: Most edits of the listing.
    """

    name: ClassVar[str] = "uniform"

    def __init__(self, max_listed: int = 24) -> None:
        self._most = max_listed

    def propose(self, request: Request) -> list[Proposal]:
        """Draw up to ``request.count`` proposals; the same request gives the same ones."""
        proposals: list[Proposal] = []
        alone: set[int] = set()
        try:
            context = EditContext(request.source, request.graph, request.framework)
            changes, _ = list_changes(request, context, self._most, request.seed, shape_safe=True)
            for seed in range(request.seed, request.seed + request.count):
                offer = make_offer(
                    changes,
                    request.graph,
                    f"{seed}/{request.source}",
                    avoid=alone,
                    constraints=request.constraints,
                )
                if offer is None:
                    break
                places = _draw(offer, random.Random(seed))
                alone.update(places if len(places) == 1 else ())
                source = make_changes(context, [changes[place] for place in places])
                edits = tuple(changes[place].edit for place in places)
                offered = tuple(changes[place].edit for place in offer.positions)
                proposals.append(Proposal(source, edits, offered=offered))
        except EditError as error:
            proposals.append(Proposal(request.source, failure=error.failure))
        return proposals


def _draw(offer: Offer, draw: random.Random) -> list[int]:
    """A first edit, each as likely, and of every other slot one or none."""
    first = draw.choice(offer.positions)
    if first in offer.alone:
        return [first]
    others = [slot for slot in offer.slots if first not in slot]
    return [first, *(draw.choice(slot) for slot in others if draw.random() < 0.5)]
