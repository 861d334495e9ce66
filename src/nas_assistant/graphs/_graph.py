"""The computational graph: what a model computes, free of its framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.graphs._node import Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import Operation

if TYPE_CHECKING:
    import networkx as nx
    import torch

GRAPH_FORMAT = 1
"""Of graphs as JSON."""
GRAPH_SUFFIXES = (".json", ".onnx", ".pkl")
"""Of the files that :meth:`ComputationalGraph.from_file` reads as they are, without a sandbox."""


@dataclass(frozen=True)
class ComputationalGraph:
    """A network as a directed acyclic graph (Mishra 2023, section 2.1.1).

    Attributes:
        nodes: Operations in topological order; ``nodes[i].id == i``.
        name: Name of the model's class or file.
        framework: ``torch``, ``keras``, ``onnx`` or ``tensorflow``.
        unused_parameters: Those that no node uses, dead branches included.
        warnings: What a reader of the graph should know, operations outside the vocabulary first.
    """

    nodes: tuple[Node, ...]
    name: str = ""
    framework: str = ""
    unused_parameters: int = 0
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        return (
            f"ComputationalGraph({self.name or 'model'}: {len(self)} nodes, {len(self.edges)} edges, "
            f"{self.parameters:,} parameters, {self.macs:,} MACs)"
        )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs ``(source, target)``, by target and then by the order of its inputs."""
        return tuple((source, node.id) for node in self.nodes for source in node.inputs)

    @property
    def weighted_nodes(self) -> tuple[WeightedNode, ...]:
        """The nodes with a weight tensor."""
        return tuple(node for node in self.nodes if isinstance(node, WeightedNode))

    @property
    def regular_nodes(self) -> tuple[RegularNode, ...]:
        """The nodes without one."""
        return tuple(node for node in self.nodes if isinstance(node, RegularNode))

    @property
    def parameters(self) -> int:
        """Parameters of the model, frozen ones and those that no node uses included."""
        return sum(node.parameters for node in self.nodes) + self.unused_parameters

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample."""
        return sum(node.macs for node in self.nodes)

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample, two a multiply-accumulate."""
        return 2 * self.macs

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input, without the batch."""
        return next((n.output_shape for n in self.nodes if n.op is Operation.INPUT), ())

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output, without the batch."""
        return next((n.output_shape for n in self.nodes if n.op is Operation.OUTPUT), ())

    @cached_property
    def hash(self) -> str:
        """Weisfeiler-Lehman hash: equal for the same network, whatever its names and framework."""
        from nas_assistant.graphs._hash import weisfeiler_lehman_hash

        return weisfeiler_lehman_hash(self)

    @classmethod
    def from_torch(cls, module: torch.nn.Module, example_input: Any, **options: Any) -> ComputationalGraph:
        """Read a PyTorch module; see :func:`nas_assistant.graphs.read_torch`."""
        from nas_assistant.graphs._torch import read_torch

        return read_torch(module, example_input, **options)

    @classmethod
    def from_keras(cls, model: Any, input_shape: tuple[int, ...] | None = None) -> ComputationalGraph:
        """Read a Keras model; see :func:`nas_assistant.graphs.read_keras`."""
        from nas_assistant.graphs._keras import read_keras

        return read_keras(model, input_shape)

    @classmethod
    def from_onnx(cls, path: str | Path) -> ComputationalGraph:
        """Read an ONNX file; see :func:`nas_assistant.graphs.read_onnx`."""
        from nas_assistant.graphs._onnx import read_onnx

        return read_onnx(Path(path))

    @classmethod
    def from_file(
        cls, path: str | Path, entry: str | None = None, input_shape: tuple[int, ...] | None = None
    ) -> ComputationalGraph:
        """Read the model of a source file, in the sandbox.

        Args:
            path: A Python file, an ``.onnx`` file, a ``.json`` file written by :meth:`save`, or a ``.pkl``
                file of GENNAPE; see :func:`nas_assistant.graphs.read_gennape`.
            entry: Which model of the file; see :func:`nas_assistant.sources.inspect_model`.
            input_shape: Without the batch, channels first.

        Raises:
            UserError: The file holds no model that can be built and run.
        """
        path = Path(path)
        if path.suffix == ".json":
            return cls.load(path)
        if path.suffix == ".onnx":
            return cls.from_onnx(path)
        if path.suffix == ".pkl":
            from nas_assistant.graphs._gennape import read_gennape

            return read_gennape(path)
        from nas_assistant.sources import inspect_model

        return inspect_model(path, entry=entry, input_shape=input_shape).graph

    def to_json(self) -> dict[str, Any]:
        """The graph as plain JSON data; :meth:`from_json` is its inverse."""
        from nas_assistant.graphs._json import graph_to_json

        return graph_to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> ComputationalGraph:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: The data is not a valid graph.
        """
        from nas_assistant.graphs._json import graph_from_json

        return graph_from_json(data)

    def save(self, path: str | Path) -> None:
        """Write the graph as ``.json``, ``.dot`` or ``.svg``, by the path's suffix.

        Raises:
            UserError: The suffix is none of them.
        """
        from nas_assistant.graphs._write import write_graph

        write_graph(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> ComputationalGraph:
        """Read a graph that :meth:`save` wrote as ``.json``.

        Raises:
            UserError: No such file, or not a graph.
        """
        from nas_assistant.graphs._write import load_graph

        return load_graph(Path(path))

    def to_networkx(self) -> nx.MultiDiGraph:
        """The graph for networkx, each node with its ``signature`` and each edge with its ``position``."""
        from nas_assistant.graphs._hash import to_networkx

        return to_networkx(self)

    def is_isomorphic(self, other: ComputationalGraph) -> bool:
        """Whether both are the same network node for node, by :meth:`Node.signature`."""
        from nas_assistant.graphs._hash import is_isomorphic

        return is_isomorphic(self, other)
