"""Computational graphs: PyTorch, Keras, TensorFlow and ONNX models in one vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import GRAPH_FORMAT, GRAPH_SUFFIXES, ComputationalGraph
from nas_assistant.graphs._locations import record_creation
from nas_assistant.graphs._node import Location, Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import ACTIVATIONS, COMMUTATIVE, NORMALISATIONS, Operation

if TYPE_CHECKING:
    from nas_assistant.graphs._gennape import GennapeEntry as GennapeEntry
    from nas_assistant.graphs._gennape import graph_from_gennape as graph_from_gennape
    from nas_assistant.graphs._gennape import read_gennape as read_gennape
    from nas_assistant.graphs._gennape import read_gennape_cache as read_gennape_cache
    from nas_assistant.graphs._keras import read_keras as read_keras
    from nas_assistant.graphs._onnx import read_onnx as read_onnx
    from nas_assistant.graphs._onnx_write import write_onnx as write_onnx
    from nas_assistant.graphs._torch import read_torch as read_torch

__all__ = [
    "GRAPH_FORMAT",
    "ACTIVATIONS",
    "COMMUTATIVE",
    "GRAPH_SUFFIXES",
    "NORMALISATIONS",
    "ComputationalGraph",
    "GennapeEntry",
    "GraphBuilder",
    "Location",
    "Node",
    "Operation",
    "RegularNode",
    "WeightedNode",
    "graph_from_gennape",
    "read_gennape",
    "read_gennape_cache",
    "read_keras",
    "read_onnx",
    "read_torch",
    "record_creation",
    "write_onnx",
]


_FRONT_ENDS = {
    "read_torch": "_torch",
    "GennapeEntry": "_gennape",
    "graph_from_gennape": "_gennape",
    "read_gennape": "_gennape",
    "read_gennape_cache": "_gennape",
    "read_keras": "_keras",
    "read_onnx": "_onnx",
    "write_onnx": "_onnx_write",
}


def __getattr__(name: str) -> Any:
    # Each front end imports its framework, so it is loaded on first use.
    module = _FRONT_ENDS.get(name)
    if module is not None:
        import importlib

        return getattr(importlib.import_module(f"nas_assistant.graphs.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
