"""A layered layout of a directed acyclic graph, from top to bottom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SWEEPS = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where everything is drawn.

    Attributes:
        nodes: Centre of each node.
        edges: Points that each edge ``(source, target)`` passes, one for each row between.
        width: Of the whole drawing.
        height: Of the whole drawing.
    """

    nodes: tuple[Point, ...]
    edges: Mapping[tuple[int, int], tuple[Point, ...]]
    width: float
    height: float


def layered(
    inputs: Sequence[Sequence[int]], *, node_width: float, lane_width: float, row_height: float
) -> Layout:
    """Lay out nodes in rows, each below all that it reads.

    Follows Sugiyama et al. 1981, "Methods for Visual Understanding of Hierarchical System Structures": rows
    by longest path, a lane for an edge in every row that it passes, the order in a row by the mean place of
    the neighbours above and below in turns, then places that pull each item towards its neighbours.

    Args:
        inputs: For each node, in topological order, the nodes that it reads.
        node_width: Room that a node takes, gap included.
        lane_width: Room that a passing edge takes.
        row_height: Distance between rows.
    """
    rows = _rows(inputs)
    # Items are the nodes, and after them one lane for every row that an edge passes.
    row_of, widths = list(rows), [node_width] * len(inputs)
    links: list[tuple[int, int]] = []
    lanes: dict[tuple[int, int], list[int]] = {}
    for target, sources in enumerate(inputs):
        for source in dict.fromkeys(sources):
            chain = [source]
            for row in range(rows[source] + 1, rows[target]):
                row_of.append(row)
                widths.append(lane_width)
                chain.append(len(row_of) - 1)
            chain.append(target)
            links += itertools.pairwise(chain)
            lanes[source, target] = chain[1:-1]
    above: list[list[int]] = [[] for _ in row_of]
    below: list[list[int]] = [[] for _ in row_of]
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    order: list[list[int]] = [[] for _ in range(max(rows, default=-1) + 1)]
    for item, row in enumerate(row_of):
        order[row].append(item)
    _sort(order, above, below)
    x = _places(order, above, below, widths)
    left = min((x[i] - widths[i] / 2 for i in range(len(x))), default=0.0)
    right = max((x[i] + widths[i] / 2 for i in range(len(x))), default=0.0)
    points = [(x[i] - left, (row_of[i] + 0.5) * row_height) for i in range(len(x))]
    return Layout(
        nodes=tuple(points[: len(inputs)]),
        edges={edge: tuple(points[i] for i in chain) for edge, chain in lanes.items()},
        width=right - left,
        height=len(order) * row_height,
    )


def _rows(inputs: Sequence[Sequence[int]]) -> list[int]:
    rows: list[int] = []
    for sources in inputs:
        rows.append(max((rows[source] + 1 for source in sources), default=0))
    return rows


def _sort(order: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Reorder every row by the mean position of its neighbours, to cross fewer edges."""
    position = {item: float(place) for row in order for place, item in enumerate(row)}
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        for row in order if downwards else reversed(order):
            row.sort(key=lambda item: _mean(neighbours[item], position, position[item]))
            position.update({item: float(place) for place, item in enumerate(row)})


def _places(
    order: list[list[int]], above: list[list[int]], below: list[list[int]], widths: Sequence[float]
) -> list[float]:
    """Horizontal centres: each item near the mean of its neighbours, none on top of another."""
    x = dict.fromkeys(range(len(widths)), 0.0)
    for row in order:
        _spread(row, dict.fromkeys(row, 0.0), widths, x)
    for sweep in range(2 * _SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in order if sweep % 2 == 0 else reversed(order):
            _spread(row, {item: _mean(neighbours[item], x, x[item]) for item in row}, widths, x)
    return [x[item] for item in range(len(widths))]


def _spread(
    row: Sequence[int], wanted: Mapping[int, float], widths: Sequence[float], x: dict[int, float]
) -> None:
    """Put a row's items, in their order, as near as possible to where they want to be.

    Neighbours that would overlap join a block, which moves to the mean wish of its items.
    """
    blocks: list[tuple[list[int], float, float]] = []  # items, sum of wishes for the left edge, width
    for item in row:
        block = ([item], wanted[item] - widths[item] / 2, widths[item])
        while blocks and _left(blocks[-1]) + blocks[-1][2] > _left(block):
            items, wishes, width = blocks.pop()
            block = (items + block[0], wishes + block[1] - width * len(block[0]), width + block[2])
        blocks.append(block)
    for block in blocks:
        edge = _left(block)
        for item in block[0]:
            x[item] = edge + widths[item] / 2
            edge += widths[item]


def _left(block: tuple[list[int], float, float]) -> float:
    return block[1] / len(block[0])


def _mean(items: Sequence[int], values: Mapping[int, float], default: float) -> float:
    return sum(values[item] for item in items) / len(items) if items else default
