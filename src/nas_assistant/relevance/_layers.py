"""Groups the nodes of a graph into layers, breadth-first."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from nas_assistant.graphs import ComputationalGraph, Location, Node, Operation

_ENDS = (Operation.INPUT, Operation.OUTPUT)


@dataclass(frozen=True, slots=True)
class Layer:
    """Nodes that are masked together.

    Attributes:
        name: Dotted name, or that of the layer whose forward pass calls a function.
        op: Name of its main operation: that with the most parameters, else the first.
        nodes: Ids of its nodes, in the graph's order.
        place: Where it is created, or called when it has no constructor.
    """

    name: str
    op: str
    nodes: tuple[int, ...]
    place: Location | None


def layers_of(graph: ComputationalGraph) -> tuple[Layer, ...]:
    """The layers of a graph in breadth-first order from its inputs (Mishra 2023, section 2.2, Algorithm 2).

    Nodes of one constructed layer belong together, wherever it is called; a function that the forward pass
    calls is a layer of its own. Inputs and outputs are none.
    """
    groups: dict[Hashable, list[int]] = {}
    for index in _breadth_first(graph):
        node = graph.nodes[index]
        if node.op not in _ENDS:
            groups.setdefault(_key(node), []).append(index)
    return tuple(_layer(graph, sorted(indices)) for indices in groups.values())


def _key(node: Node) -> Hashable:
    if node.layer and node.created is not None:
        return ("layer", node.layer, node.created)
    if node.call is not None:
        return ("call", node.layer, node.call, node.op)
    return ("layer", node.layer) if node.layer else ("node", node.id)


def _layer(graph: ComputationalGraph, indices: list[int]) -> Layer:
    nodes = [graph.nodes[index] for index in indices]
    main = max(nodes, key=lambda node: (node.parameters, -node.id))
    return Layer(main.layer, main.op.value, tuple(indices), main.created or main.call)


def _breadth_first(graph: ComputationalGraph) -> list[int]:
    readers: list[list[int]] = [[] for _ in graph.nodes]
    for source, target in graph.edges:
        readers[source].append(target)
    order: list[int] = []
    seen: set[int] = set()
    inputs = [node.id for node in graph.nodes if node.op is Operation.INPUT]
    # What no input reaches (a network of constants) follows, so that no layer is left out.
    for start in (inputs, [node.id for node in graph.nodes]):
        waiting = deque(index for index in start if index not in seen)
        seen.update(waiting)
        while waiting:
            index = waiting.popleft()
            order.append(index)
            for reader in readers[index]:
                if reader not in seen:
                    seen.add(reader)
                    waiting.append(reader)
    return order
