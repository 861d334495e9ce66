"""Memory of a forward pass, reckoned from the graph."""

from __future__ import annotations

import math

from nas_assistant.graphs import ComputationalGraph, Operation

FLOAT_BYTES = 4
_VIEWS = frozenset(
    {
        Operation.OUTPUT,
        Operation.IDENTITY,
        Operation.DROPOUT,
        Operation.RESHAPE,
        Operation.TRANSPOSE,
        Operation.SPLIT,
    }
)
"""Their result is their input's memory seen in another way, in evaluation mode."""


def activation_bytes(graph: ComputationalGraph, batch: int = 1) -> int:
    """Peak memory of the activations of one forward pass in evaluation mode, in bytes.

    Reckoned, not measured: the operations run in the graph's order; each writes its result, in single
    precision, to memory of its own, which is free once the last operation that reads it has run. Views share
    their input's memory, and the network's input stays to the end, since the caller holds it. What a kernel
    needs for itself while it works, and what operations in place save, are left out.

    Args:
        graph: The network.
        batch: Samples of one forward pass.
    """
    owner: list[int] = []
    last: dict[int, int] = {}
    for node in graph:
        owner.append(owner[node.inputs[0]] if node.op in _VIEWS and node.inputs else node.id)
        for read in (*(owner[source] for source in node.inputs), owner[node.id]):
            last[read] = node.id
    end = len(graph)
    freed: list[list[int]] = [[] for _ in range(end)]
    for made, until in last.items():
        if graph.nodes[made].op is not Operation.INPUT:
            freed[until].append(made)
    sizes = [math.prod(node.output_shape) if owner[node.id] == node.id else 0 for node in graph]
    held = peak = 0
    for node in graph:
        held += sizes[node.id]
        peak = max(peak, held)
        held -= sum(sizes[made] for made in freed[node.id])
    return FLOAT_BYTES * batch * peak


def memory_bytes(graph: ComputationalGraph, batch: int = 1) -> int:
    """Memory that inference needs: parameters in single precision and :func:`activation_bytes`."""
    return FLOAT_BYTES * graph.parameters + activation_bytes(graph, batch)
