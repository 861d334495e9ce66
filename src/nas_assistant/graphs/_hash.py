"""When two graphs are the same network: Weisfeiler-Lehman hash and isomorphism."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nas_assistant.graphs._operations import COMMUTATIVE

if TYPE_CHECKING:
    import networkx as nx

    from nas_assistant.graphs._graph import ComputationalGraph
    from nas_assistant.graphs._node import Node


def weisfeiler_lehman_hash(graph: ComputationalGraph) -> str:
    """Hash of a directed acyclic graph by colour refinement.

    One pass from the inputs down and one from the outputs up give each node the colours of everything
    before and after it, which on an acyclic graph is the fixed point of the refinement
    (Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels", section 2).

    Returns:
        32 hexadecimal digits; the order of a commutative operation's inputs does not matter.
    """
    down: list[str] = []
    for node in graph.nodes:
        sources = [down[i] for i in node.inputs]
        down.append(_digest(repr(node.signature()), *_ordered(node, sources)))
    consumers: list[list[tuple[int, int]]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for position, source in enumerate(node.inputs):
            consumers[source].append((node.id, 0 if node.op in COMMUTATIVE else position))
    up = [""] * len(graph.nodes)
    for node in reversed(graph.nodes):
        targets = sorted(f"{position}{up[target]}" for target, position in consumers[node.id])
        up[node.id] = _digest(down[node.id], *targets)
    return _digest(*sorted(up))


def to_networkx(graph: ComputationalGraph) -> nx.MultiDiGraph:
    """The graph for networkx, each node with its signature and each edge with its input position."""
    import networkx as nx

    result: nx.MultiDiGraph = nx.MultiDiGraph(name=graph.name)
    for node in graph.nodes:
        result.add_node(node.id, node=node, signature=node.signature())
    for node in graph.nodes:
        for position, source in enumerate(node.inputs):
            result.add_edge(source, node.id, position=0 if node.op in COMMUTATIVE else position)
    return result


def is_isomorphic(left: ComputationalGraph, right: ComputationalGraph) -> bool:
    """Whether a bijection keeps every node's signature and every edge's input position."""
    import networkx as nx

    return bool(
        len(left) == len(right)
        and left.hash == right.hash
        and nx.is_isomorphic(
            to_networkx(left),
            to_networkx(right),
            node_match=nx.algorithms.isomorphism.categorical_node_match("signature", None),
            edge_match=nx.algorithms.isomorphism.categorical_multiedge_match("position", 0),
        )
    )


def _ordered(node: Node, sources: list[str]) -> list[str]:
    return sorted(sources) if node.op in COMMUTATIVE else sources


def _digest(*parts: str) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()
