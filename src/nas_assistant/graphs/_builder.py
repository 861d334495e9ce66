"""Collects what a front end reads and brings it to the one normal form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._node import (
    Location,
    Node,
    RegularNode,
    WeightedNode,
    is_per_channel,
    without_ones,
)
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs._patterns import merge_activations, merge_weights

_POOLS = frozenset({Operation.MEAN, Operation.AVG_POOL, Operation.GLOBAL_AVG_POOL, Operation.MAX_POOL})
_CONVOLUTIONS = frozenset({Operation.CONV, Operation.DEPTHWISE_CONV})


class GraphBuilder:
    """Builds a graph node by node; :meth:`build` normalises it.

    The normal form is what makes the same network written for two frameworks the same graph: identities,
    padding by nothing, reshapes that only add or drop axes of length 1, and additions or products with a
    constant are left out, zero padding is part of the convolution after it, every spelling of the global
    average pool is one operation, an activation spelt out as arithmetic is that activation, and a chain of
    additions is one addition.

    Args:
        framework: Name of the front end's framework.
        name: Name of the model.
    """

    def __init__(self, framework: str, name: str = "") -> None:
        self._framework = framework
        self._name = name
        self._nodes: dict[int, Node] = {}
        self._folded: dict[str, int] = {}
        self._owned: dict[str, tuple[Location, list[int]]] = {}
        self._warnings: list[str] = []

    def add(
        self,
        op: Operation,
        inputs: Iterable[int] = (),
        *,
        output_shape: Sequence[int],
        weight_shape: Sequence[int] | None = None,
        bias: bool = False,
        **attributes: Any,
    ) -> int:
        """Add a node and return its id.

        Args:
            op: The operation.
            inputs: Ids of earlier nodes, in the order of the arguments.
            output_shape: Channels first, without the batch.
            weight_shape: Makes it a :class:`WeightedNode`.
            bias: Whether a weighted node adds a bias.
            attributes: Any other attribute of :class:`Node`.
        """
        index = len(self._nodes)
        common: dict[str, Any] = {
            "id": index,
            "op": op,
            "inputs": tuple(inputs),
            "output_shape": tuple(int(size) for size in output_shape),
            **attributes,
        }
        if weight_shape is None:
            self._nodes[index] = RegularNode(**common)
        else:
            self._nodes[index] = WeightedNode(**common, weight_shape=tuple(weight_shape), bias=bias)
        return index

    def fold(
        self,
        visit: str,
        op: Operation,
        inputs: Iterable[int],
        *,
        output_shape: Sequence[int],
        parameters: int = 0,
        macs: int = 0,
        **attributes: Any,
    ) -> int:
        """Add one step of a layer that is a single node as a whole, such as multi-head attention.

        The first step of a visit makes the node; later ones add their inputs, parameters and MACs and set its
        output shape.
        """
        shape = tuple(output_shape)
        if visit not in self._folded:
            self._folded[visit] = self.add(
                op,
                dict.fromkeys(inputs),
                output_shape=shape,
                parameters=parameters,
                macs=macs,
                **attributes,
            )
            return self._folded[visit]
        node = self._nodes[self._folded[visit]]
        read = dict.fromkeys(i for i in (*node.inputs, *inputs) if i < node.id)
        self._nodes[node.id] = node.replace(
            inputs=tuple(read),
            parameters=node.parameters + parameters,
            macs=node.macs + macs,
            output_shape=shape,
        )
        return node.id

    def own(self, visit: str, created: Location, node: int) -> None:
        """Note that a module runs a node; one that runs a single node with weights is a layer.

        Args:
            visit: A text of its own for each time a module runs.
            created: Where the module was created: if it is a layer, so were its nodes.
            node: Id of the node.
        """
        self._owned.setdefault(visit, (created, []))[1].append(node)

    def warn(self, message: str) -> None:
        """Note something that a reader of the graph should know."""
        if message not in self._warnings:
            self._warnings.append(message)

    def build(self, outputs: Iterable[int], *, total_parameters: int | None = None) -> ComputationalGraph:
        """Normalise and return the graph.

        Args:
            outputs: Ids of the nodes that the model returns.
            total_parameters: Those of the whole model, frozen or not; what no node uses counts as unused.
        """
        for source in dict.fromkeys(outputs):
            self.add(Operation.OUTPUT, [source], output_shape=self._nodes[source].output_shape)
        nodes = _prune(self._nodes)
        nodes = _canonical_pools(nodes)
        nodes = self._with_owners(merge_weights(nodes))
        nodes = _drop(nodes, _is_transparent)
        nodes = merge_activations(nodes)
        nodes = _merge_padding(nodes)
        nodes = _flatten_additions(nodes)
        ordered = _renumber(_prune(nodes))
        self._warn_of_unknown(ordered)
        used = sum(node.parameters for node in ordered)
        if total_parameters is not None and used > total_parameters:
            what = f"{used - total_parameters:,} parameters are of layers that the model does not know of"
            self.warn(f"{what}, such as those in a plain list: a training would leave them as they are")
        return ComputationalGraph(
            nodes=ordered,
            name=self._name,
            framework=self._framework,
            unused_parameters=0 if total_parameters is None else max(0, total_parameters - used),
            warnings=tuple(self._warnings),
        )

    def _with_owners(self, nodes: dict[int, Node]) -> dict[int, Node]:
        """Give the nodes of each module that is a layer the place where it was created."""
        result = dict(nodes)
        for created, owned in self._owned.values():
            left = [nodes[index] for index in owned if index in nodes]
            if sum(isinstance(node, WeightedNode) for node in left) == 1:
                result.update({node.id: node.replace(created=created) for node in left})
        return result

    def _warn_of_unknown(self, nodes: Sequence[Node]) -> None:
        unknown = Counter(node.detail or "unnamed" for node in nodes if node.op is Operation.OTHER)
        if unknown:
            listed = ", ".join(f"{name} ({count}x)" for name, count in sorted(unknown.items()))
            what = "operations" if len(unknown) > 1 else "operation"
            self.warn(f"{what} outside the vocabulary, read as 'other': {listed}")


def _canonical_pools(nodes: dict[int, Node]) -> dict[int, Node]:
    """Give every spelling of a pool over the whole map one form, of output shape ``(C,)``."""
    result = dict(nodes)
    for node in nodes.values():
        if not node.inputs or node.op not in _POOLS:
            continue
        shape = nodes[node.inputs[0]].output_shape
        channels = math.prod(node.output_shape)
        if node.op is Operation.MAX_POOL:
            if len(shape) == 3 and node.kernel == shape[1:] and is_per_channel(node.output_shape, shape[0]):
                result[node.id] = node.replace(output_shape=(channels,))
            continue
        # The channels of a map that was permuted are its last axis, which a map of one pixel has not.
        axes = (0, 2) if shape[2:] != (1,) else (0,)
        whole_map = len(shape) == 3 and any(is_per_channel(node.output_shape, shape[i]) for i in axes)
        if node.op is Operation.AVG_POOL:
            whole_map = whole_map and node.kernel == shape[1:] and node.padding in (None, (0, 0, 0, 0))
        if node.op is Operation.GLOBAL_AVG_POOL or whole_map:
            result[node.id] = RegularNode(
                id=node.id,
                op=Operation.GLOBAL_AVG_POOL,
                inputs=node.inputs,
                output_shape=(channels,),
                layer=node.layer,
                detail=node.detail,
                call=node.call,
                created=node.created,
            )
    return result


def _is_transparent(node: Node, nodes: dict[int, Node]) -> bool:
    if len(node.inputs) != 1 or isinstance(node, WeightedNode):
        return False
    if node.op in (Operation.IDENTITY, Operation.ADD, Operation.MUL):
        return True
    if node.op is Operation.PAD:
        return node.padding == (0, 0, 0, 0)
    source = nodes[node.inputs[0]].output_shape
    if node.op is Operation.CONCAT:
        return source == node.output_shape
    if node.op is Operation.RESHAPE:
        return without_ones(source) == without_ones(node.output_shape)
    # A transpose that only moves axes of length 1 leaves the data as it is.
    return node.op is Operation.TRANSPOSE and len(without_ones(source)) <= 1


def _drop(nodes: dict[int, Node], unwanted: Any) -> dict[int, Node]:
    """Leave out nodes with one input; their consumers read that input."""
    alias: dict[int, int] = {}
    result: dict[int, Node] = {}
    for node in nodes.values():
        inputs = tuple(alias.get(i, i) for i in node.inputs)
        node = node.replace(inputs=inputs)
        if unwanted(node, result):
            alias[node.id] = inputs[0]
        else:
            result[node.id] = node
    return result


def _merge_padding(nodes: dict[int, Node]) -> dict[int, Node]:
    """Make zero padding part of the convolutions that read it, when nothing else does."""
    readers = _consumers(nodes)

    def merges(reader: int) -> bool:
        return nodes[reader].op in _CONVOLUTIONS and nodes[reader].padding is not None

    def merged(node: Node) -> bool:
        is_zero_padding = node.op is Operation.PAD and node.padding is not None
        return is_zero_padding and bool(readers[node.id]) and all(map(merges, readers[node.id]))

    result: dict[int, Node] = {}
    for node in nodes.values():
        if merged(node):
            continue
        pads = [nodes[i] for i in node.inputs if merged(nodes[i])]
        if pads and node.padding is not None and pads[0].padding is not None:
            top, left, bottom, right = (a + b for a, b in zip(node.padding, pads[0].padding, strict=True))
            node = node.replace(padding=(top, left, bottom, right), inputs=pads[0].inputs)
        result[node.id] = node
    return result


def _flatten_additions(nodes: dict[int, Node]) -> dict[int, Node]:
    """Merge an addition into the one that is its only reader."""
    readers = _consumers(nodes)
    result: dict[int, Node] = {}
    for node in nodes.values():
        if node.op is Operation.ADD and not isinstance(node, WeightedNode):
            inputs: list[int] = []
            for source in node.inputs:
                inner = result.get(source)
                mergeable = inner is not None and inner.op is Operation.ADD and readers[source] == [node.id]
                if inner is not None and mergeable and not isinstance(inner, WeightedNode):
                    inputs.extend(inner.inputs)
                    del result[source]
                else:
                    inputs.append(source)
            node = node.replace(inputs=tuple(inputs))
        result[node.id] = node
    return result


def _consumers(nodes: dict[int, Node]) -> dict[int, list[int]]:
    result: dict[int, list[int]] = {index: [] for index in nodes}
    for node in nodes.values():
        for source in node.inputs:
            result[source].append(node.id)
    return result


def _prune(nodes: dict[int, Node]) -> dict[int, Node]:
    """Leave out what no output depends on; inputs stay."""
    alive: set[int] = set()
    for node in reversed(nodes.values()):
        if node.op in (Operation.OUTPUT, Operation.INPUT) or node.id in alive:
            alive.add(node.id)
            alive.update(node.inputs)
    return {index: node for index, node in nodes.items() if index in alive}


def _renumber(nodes: dict[int, Node]) -> tuple[Node, ...]:
    position = {index: place for place, index in enumerate(nodes)}
    return tuple(
        node.replace(
            id=position[node.id],
            inputs=tuple(position[i] for i in node.inputs),
            input_shape=nodes[node.inputs[0]].output_shape if node.inputs else (),
        )
        for node in nodes.values()
    )
