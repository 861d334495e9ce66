"""GENNAPE's nodes in the one vocabulary."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from nas_assistant.errors import UserError
from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._channels_last import convolution, depthwise_convolution, pool, zero_padding
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._operations import Operation

MAX_NODES = 5_000
MAX_EDGES = 20 * MAX_NODES

Size = Annotated[int, Field(ge=1, le=2**20)]
Step = Annotated[int, Field(ge=1, le=1024)]
Index = Annotated[int, Field(ge=0)]

_INPUT, _OUTPUT, _CONV, _DEPTHWISE, _NORM, _MATMUL, _PADDING = 1, 2, 3, 4, 5, 8, 18
_POOLS = {12: Operation.MAX_POOL, 13: Operation.AVG_POOL}
_PLAIN = {
    6: Operation.RELU,
    7: Operation.RELU6,
    _MATMUL: Operation.MATMUL,
    9: Operation.ADD,
    10: Operation.MUL,
    11: Operation.CONCAT,
    14: Operation.SIGMOID,
    15: Operation.TANH,
    16: Operation.SWISH,
    17: Operation.GELU,
    _PADDING: Operation.PAD,
    19: Operation.MEAN,
    # Space to batch, batch to space, space to depth, depth to space: none of them computes anything.
    20: Operation.RESHAPE,
    21: Operation.RESHAPE,
    22: Operation.RESHAPE,
    23: Operation.RESHAPE,
    24: Operation.GLOBAL_AVG_POOL,
    25: Operation.IDENTITY,
    26: Operation.ZERO,
}
_UNSAFE = re.compile(r"[^\w.\-+ ]")


class MetadataData(BaseModel):
    """What a node of TensorFlow had besides shapes."""

    padding: str | None = None
    dilations: tuple[Step, Step, Step, Step] | None = None
    ksize: tuple[Step, Step, Step, Step] | None = None
    use_bias: bool = False
    pad_h: Any = None
    pad_w: Any = None


class NodeData(BaseModel):
    """A node; ``resolution`` is the height before and after, the width likewise, the channels likewise."""

    str_id: str = ""
    label: str = ""
    op_type_idx: Annotated[int, Field(ge=0, le=31)]
    resolution: tuple[Size, Size, Size, Size, Size, Size]
    strides: tuple[Step, Step, Step, Step] | None = None
    metadata: MetadataData | None = None
    shape: tuple[float, float, float, float] | None = None

    @property
    def created(self) -> int:
        """Its place in the order in which TensorFlow made the nodes."""
        digits = re.match(r"[0-9]{1,9}", self.str_id)
        return int(digits[0]) if digits else 0

    @property
    def layer(self) -> str:
        """Dotted name of its layer: the path of TensorFlow, which repeats itself, from the last root on."""
        parts = self.str_id[:1000].partition("|")[2].split("/")
        root = len(parts) - 1 - parts[::-1].index(parts[0])
        return _UNSAFE.sub("_", ".".join(parts[root + 1 : -1]))


class GraphData(BaseModel):
    """A graph; an edge counts through the weighted nodes and then the regular ones."""

    name: str = ""
    edge_pairs: Annotated[list[tuple[Index, Index]], Field(max_length=MAX_EDGES)]
    regular_nodes: Annotated[list[NodeData], Field(max_length=MAX_NODES)]
    weighted_nodes: Annotated[list[NodeData], Field(max_length=MAX_NODES)]


def build_graph(data: GraphData) -> ComputationalGraph:
    """Bring a graph to the normal form.

    Inputs of a node come in the order in which they were made, as the edges keep no other.

    Raises:
        UserError: It is no directed acyclic graph from one input to an output, or a node lacks a field.
    """
    nodes = [*data.weighted_nodes, *data.regular_nodes]
    sources = _sources(nodes, data.edge_pairs)
    builder = GraphBuilder("tensorflow", _UNSAFE.sub("_", data.name[:200]))
    place: dict[int, int] = {}
    shapes: dict[int, tuple[int, ...]] = {}
    outputs: list[int] = []
    total = 0
    for index in _order(nodes, sources):
        node, read = nodes[index], sources[index]
        if node.op_type_idx == _OUTPUT:
            outputs += [place[source] for source in read]
            continue
        weighted = index < len(data.weighted_nodes)
        description = _describe(node, weighted, f"node {index} ({_UNSAFE.sub('_', node.label[:40])})")
        shapes[index] = _output_shape(node, description["op"], [shapes[source] for source in read])
        total += description.get("parameters", 0)
        place[index] = builder.add(
            description.pop("op"),
            [place[source] for source in read],
            output_shape=shapes[index],
            layer=node.layer,
            detail=_UNSAFE.sub("_", node.label[:100]),
            **description,
        )
    return builder.build(outputs, total_parameters=total)


def _sources(nodes: Sequence[NodeData], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in nodes]
    for source, target in edges:
        if max(source, target) >= len(nodes):
            raise UserError(f"an edge leads from node {source} to {target}, of {len(nodes)} nodes")
        sources[target].append(source)
    for read in sources:
        read.sort(key=lambda source: (nodes[source].created, source))
    inputs = [index for index, node in enumerate(nodes) if node.op_type_idx == _INPUT]
    ends = [index for index, node in enumerate(nodes) if node.op_type_idx == _OUTPUT]
    if len(inputs) != 1 or not any(sources[index] for index in ends):
        raise UserError(f"a graph has one input and an output, this one {len(inputs)} and {len(ends)}")
    for index, node in enumerate(nodes):
        if bool(sources[index]) == (node.op_type_idx == _INPUT):
            raise UserError(f"node {index} reads {len(sources[index])} nodes: only the input reads none")
    if any(nodes[source].op_type_idx == _OUTPUT for source, _ in edges):
        raise UserError("a node reads the output")
    return sources


def _order(nodes: Sequence[NodeData], sources: Sequence[Sequence[int]]) -> list[int]:
    """Nodes after all that they read, and else in the order in which they were made."""
    readers: list[list[int]] = [[] for _ in nodes]
    missing = [len(read) for read in sources]
    for target, read in enumerate(sources):
        for source in read:
            readers[source].append(target)
    ready = [(nodes[index].created, index) for index, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, (nodes[reader].created, reader))
    if len(order) < len(nodes):
        raise UserError("its edges form a cycle")
    return order


def _output_shape(node: NodeData, op: Operation, read: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    _, height, _, width, _, channels = node.resolution
    flat = op is Operation.DENSE or any(len(shape) == 1 for shape in read)
    is_map = op in (Operation.CONV, Operation.DEPTHWISE_CONV)
    return (channels,) if flat and not is_map and height == width == 1 else (channels, height, width)


def _describe(node: NodeData, weighted: bool, place: str) -> dict[str, Any]:
    """Arguments of :meth:`GraphBuilder.add`."""
    metadata = node.metadata or MetadataData()
    index, channels = node.op_type_idx, node.resolution[-1]
    if index == _INPUT:
        return {"op": Operation.INPUT}
    if weighted and index in (_CONV, _DEPTHWISE, _MATMUL):
        return _weighted(node, metadata, place)
    if index == _NORM:
        return {
            "op": Operation.BATCH_NORM,
            "weight_shape": (channels,),
            "bias": True,
            "parameters": 2 * channels,
        }
    if index in _POOLS:
        if metadata.ksize is None:
            raise UserError(f"{place}: a pool without 'ksize'")
        before, _ = _shapes(node)
        return pool(
            _POOLS[index],
            before,
            size=metadata.ksize[1:3],
            strides=_inner(node.strides),
            padding=metadata.padding or "valid",
        )
    if index == _PADDING:
        match (metadata.pad_h, metadata.pad_w):
            case ((int(top), int(bottom)), (int(left), int(right))):
                return zero_padding([(top, bottom), (left, right)])
    return {"op": _PLAIN.get(index, Operation.OTHER)}


def _weighted(node: NodeData, metadata: MetadataData, place: str) -> dict[str, Any]:
    """A convolution or dense layer; its channels are in the resolution alone in the older files."""
    before, after = _shapes(node)
    inputs, outputs = before[-1], after[-1]
    bias = metadata.use_bias
    description: dict[str, Any]
    if node.op_type_idx == _MATMUL:
        macs = math.prod(after) * inputs
        description = {"op": Operation.DENSE, "weight_shape": (outputs, inputs), "bias": bias, "macs": macs}
        return description | {"parameters": inputs * outputs + bias * outputs}
    kernel = [int(size) for size in (node.shape or ())[2:] if 1 <= size <= 31]
    if len(kernel) != 2:
        raise UserError(f"{place}: a convolution without a kernel of 1 to 31 pixels in its 'shape'")
    depthwise = node.op_type_idx == _DEPTHWISE
    if depthwise and outputs % inputs:
        raise UserError(f"{place}: a depthwise convolution from {inputs} to {outputs} channels")
    build = depthwise_convolution if depthwise else convolution
    description = build(
        (*kernel, inputs, outputs // inputs if depthwise else outputs),
        before,
        after,
        strides=_inner(node.strides),
        padding=metadata.padding or "valid",
        dilation=_inner(metadata.dilations),
        bias=bias,
    )
    return description | {"parameters": math.prod(description["weight_shape"]) + bias * outputs}


def _shapes(node: NodeData) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Input and output as TensorFlow has them, batch first and channels last."""
    rows, height, columns, width, inputs, outputs = node.resolution
    return (1, rows, columns, inputs), (1, height, width, outputs)


def _inner(values: Sequence[int] | None) -> list[int]:
    return list(values[1:3]) if values else [1, 1]
