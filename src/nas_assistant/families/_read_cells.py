"""Cells found in the graph of a network that repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_assistant.graphs import ComputationalGraph, Node, Operation


def before_divider(graph: ComputationalGraph, divider: Operation) -> int | None:
    """The node that the first 2 x 2 pool of stride 2 reads, or None where there is none."""
    for node in graph:
        if node.op is divider and node.kernel == node.stride == (2, 2):
            return node.inputs[0]
    return None


def necks(graph: ComputationalGraph, end: int) -> list[int]:
    """The nodes that every path from the input to ``end`` passes, ``end`` included, in order."""
    needed = {end}
    for node in reversed(graph.nodes[: end + 1]):
        if node.id in needed:
            needed.update(node.inputs)
    open_until, found = 0, []
    last_user = {source: node.id for node in graph.nodes[: end + 1] if node.id in needed
                 for source in node.inputs}  # fmt: skip
    for node in graph.nodes[: end + 1]:
        if node.id not in needed:
            continue
        if node.id >= open_until:
            found.append(node.id)
        open_until = max(open_until, last_user.get(node.id, 0))
    return found


@dataclass(frozen=True)
class CellReader:
    """One cell of a graph.

    Attributes:
        graph: The network.
        input: Id of the node that the cell reads.
        output: Id of its last node.
    """

    graph: ComputationalGraph
    input: int
    output: int

    @classmethod
    def first(
        cls, graph: ComputationalGraph, end: int, stem: Sequence[Operation], cells: int
    ) -> CellReader | None:
        """The first of several equal cells, behind a stem.

        Equal cells have equally many nodes that all paths pass, so a division of these finds where one ends.

        Args:
            graph: The network.
            end: The last node of the last cell.
            stem: Operations of the stem, one behind the other.
            cells: How many.

        Returns:
            None where there is no such stem, or the division leaves a rest.
        """
        passed = necks(graph, end)
        if [graph.nodes[node].op for node in passed[: len(stem)]] != list(stem):
            return None
        behind = passed[len(stem) - 1 :]
        length, rest = divmod(len(behind) - 1, cells)
        return None if rest else cls(graph, behind[0], behind[length])

    def node(self, number: int) -> Node:
        """A node by its id."""
        return self.graph.nodes[number]

    def terms(self, number: int) -> list[int]:
        """What a node sums, sums of sums included; itself where it is no sum."""
        node = self.node(number)
        if node.op is not Operation.ADD or number == self.input:
            return [number]
        return [term for source in node.inputs for term in self.terms(source)]

    def chain(self, number: int, operations: Sequence[Operation]) -> list[Node] | None:
        """The nodes that lead to a node one after the other, last first, when they are these operations."""
        found: list[Node] = []
        for operation in operations:
            node = self.node(number)
            if node.op is not operation or len(node.inputs) != 1 or number <= self.input:
                return None
            found.append(node)
            number = node.inputs[0]
        return found
