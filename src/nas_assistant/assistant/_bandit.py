"""Which generator is asked next."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence


def choose_generator(
    names: Sequence[str], paid: Iterable[tuple[str, Sequence[bool]]], draw: random.Random
) -> str:
    """Thompson sampling: the more often a generator has paid, the more often it is asked.

    Whether a proposal pays is a coin for each generator, of unknown bias and uniform prior (Thompson 1933,
    "On the likelihood that one unknown probability exceeds another"; Chapelle and Li 2011). An answer without
    proposals counts as one that did not pay.

    Args:
        names: The generators.
        paid: For each answer so far, who gave it and which of its proposals were better than their parent.
        draw: Where chance comes from.
    """
    if len(names) == 1:
        return names[0]
    wins = dict.fromkeys(names, 1)
    losses = dict.fromkeys(names, 1)
    for name, results in paid:
        wins[name] += sum(results)
        losses[name] += sum(not result for result in results or (False,))
    return max(names, key=lambda name: draw.betavariate(wins[name], losses[name]))
