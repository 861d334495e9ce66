"""Relevance, line by line of the user's file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.graphs import ComputationalGraph
from nas_assistant.relevance import LayerRelevance, Relevance, layers_of


@dataclass(frozen=True, slots=True)
class LineRelevance:
    """What the layers of one line contribute.

    Attributes:
        line: 1-based.
        weight: Sum of the weights of its layers.
        layers: Each layer, with ``creates``, ``calls`` or ``creates and calls``.
    """

    line: int
    weight: float
    layers: tuple[tuple[LayerRelevance, str], ...]


def source_relevance(graph: ComputationalGraph, found: Relevance, path: Path) -> dict[int, LineRelevance]:
    """The lines of a file that create or call a layer (Mishra 2023, section 2.2, figure 2.1).

    A layer counts on every such line, so the weights of the lines do not add up to those of the layers.

    Args:
        graph: The network.
        found: Its relevance, as :func:`nas_assistant.relevance.relevance` gives it.
        path: The user's file, which need not be there any more.
    """
    own = path.resolve()
    roles: dict[int, dict[int, list[str]]] = defaultdict(dict)
    for index, layer in enumerate(layers_of(graph)):
        for node in (graph.nodes[number] for number in layer.nodes):
            for role, place in (("creates", node.created), ("calls", node.call)):
                if place is not None and Path(place.file).resolve() == own:
                    known = roles[place.line].setdefault(index, [])
                    if role not in known:
                        known.append(role)
    return {
        line: LineRelevance(
            line,
            sum(found.layers[index].weight for index in layers),
            tuple((found.layers[index], " and ".join(said)) for index, said in layers.items()),
        )
        for line, layers in sorted(roles.items())
    }


def strengths(lines: dict[int, LineRelevance]) -> dict[int, float]:
    """How strongly to paint each line, in [0, 1]; the square root keeps small weights visible."""
    longest = max((abs(line.weight) for line in lines.values()), default=0.0) or 1.0
    return {number: (abs(line.weight) / longest) ** 0.5 for number, line in lines.items()}
