"""Graphs as plain JSON, checked on the way in."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from nas_assistant.errors import UserError
from nas_assistant.graphs._graph import GRAPH_FORMAT, ComputationalGraph
from nas_assistant.graphs._node import Location, Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import Operation

MAX_NODES = 20_000

Shape: TypeAlias = tuple[NonNegativeInt, ...]
Pair: TypeAlias = tuple[NonNegativeInt, NonNegativeInt]


class _LocationData(BaseModel):
    model_config = ConfigDict(extra="forbid")
    file: str
    line: int
    column: int | None = None


class _NodeData(BaseModel):
    model_config = ConfigDict(extra="forbid")
    op: Operation
    inputs: tuple[NonNegativeInt, ...] = ()
    input_shape: Shape = ()
    output_shape: Shape = ()
    kernel: Pair | None = None
    stride: Pair | None = None
    padding: tuple[int, int, int, int] | None = None
    dilation: Pair | None = None
    groups: int | None = None
    parameters: NonNegativeInt = 0
    macs: NonNegativeInt = 0
    layer: str = ""
    detail: str = ""
    call: _LocationData | None = None
    created: _LocationData | None = None
    weight_shape: Shape | None = None
    bias: bool = False


class _GraphData(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: int
    name: str = ""
    framework: str = ""
    unused_parameters: NonNegativeInt = 0
    warnings: tuple[str, ...] = ()
    nodes: Annotated[list[_NodeData], Field(max_length=MAX_NODES)]

    @model_validator(mode="after")
    def _check(self) -> _GraphData:
        if self.format != GRAPH_FORMAT:
            raise ValueError(f"format {self.format} is not {GRAPH_FORMAT}, the one this version reads")
        for index, node in enumerate(self.nodes):
            if any(source >= index for source in node.inputs):
                raise ValueError(f"node {index} reads a node that does not come before it")
        return self


def graph_to_json(graph: ComputationalGraph) -> dict[str, Any]:
    """The graph as JSON data, attributes at their defaults left out."""
    return {
        "format": GRAPH_FORMAT,
        "name": graph.name,
        "framework": graph.framework,
        "unused_parameters": graph.unused_parameters,
        "warnings": list(graph.warnings),
        "nodes": [_node_to_json(node) for node in graph.nodes],
    }


def graph_from_json(data: Any) -> ComputationalGraph:
    """Check JSON data and build the graph.

    Raises:
        UserError: The data is not a valid graph; the message names the first fault.
    """
    try:
        checked = _GraphData.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "graph"
        raise UserError(f"not a graph: {place}: {fault['msg']}") from error
    return ComputationalGraph(
        nodes=tuple(_node_from_json(index, node) for index, node in enumerate(checked.nodes)),
        name=checked.name,
        framework=checked.framework,
        unused_parameters=checked.unused_parameters,
        warnings=checked.warnings,
    )


def _node_to_json(node: Node) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in (*Node.__slots__, *(("weight_shape", "bias") if isinstance(node, WeightedNode) else ())):
        value = getattr(node, name)
        if name == "id" or value in (None, "", 0, ()):
            continue
        if isinstance(value, Location):
            value = {"file": value.file, "line": value.line, "column": value.column}
        result[name] = list(value) if isinstance(value, tuple) else value
    if isinstance(node, WeightedNode):
        result["weight_shape"] = list(node.weight_shape)
    return result


def _node_from_json(index: int, data: _NodeData) -> Node:
    fields: dict[str, Any] = {name: getattr(data, name) for name in Node.__slots__ if name != "id"}
    for name in ("call", "created"):
        place = fields[name]
        fields[name] = place and Location(place.file, place.line, place.column)
    if data.weight_shape is None:
        return RegularNode(id=index, **fields)
    return WeightedNode(id=index, weight_shape=data.weight_shape, bias=data.bias, **fields)
