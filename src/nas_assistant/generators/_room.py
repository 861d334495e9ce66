"""How much may be added to a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nas_assistant.edits import Growth
from nas_assistant.graphs import ComputationalGraph

if TYPE_CHECKING:
    from nas_assistant.generators._base import Constraints


def room(graph: ComputationalGraph, constraints: Constraints) -> Growth:
    """What may be added to a network; less than nothing where it is over a limit itself."""

    def left(most: int | None, now: int) -> float:
        return math.inf if most is None else most - now

    return Growth(
        left(constraints.max_parameters, graph.parameters), left(constraints.max_flops, graph.flops)
    )
