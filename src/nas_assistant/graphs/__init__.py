"""Computational graphs: PyTorch, Keras, TensorFlow and ONNX models in one vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._locations import record_creation
from nas_assistant.graphs._node import Location, Node, RegularNode, WeightedNode
from nas_assistant.graphs._operations import ACTIVATIONS, COMMUTATIVE, NORMALISATIONS, Operation

if TYPE_CHECKING:
    from nas_assistant.graphs._keras import read_keras as read_keras
    from nas_assistant.graphs._onnx import read_onnx as read_onnx
    from nas_assistant.graphs._torch import read_torch as read_torch

__all__ = [
    "ACTIVATIONS",
    "COMMUTATIVE",
    "NORMALISATIONS",
    "ComputationalGraph",
    "GraphBuilder",
    "Location",
    "Node",
    "Operation",
    "RegularNode",
    "WeightedNode",
    "read_keras",
    "read_onnx",
    "read_torch",
    "record_creation",
]


def __getattr__(name: str) -> Any:
    # Each front end imports its framework, so it is loaded on first use.
    if name in ("read_torch", "read_keras", "read_onnx"):
        import importlib

        return getattr(importlib.import_module(f"nas_assistant.graphs._{name[5:]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
