"""What each layer of a network contributes to its predicted accuracy.

The package can be called itself: ``na.relevance(graph, predictor)`` is :func:`relevance`.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING

from nas_assistant.relevance._layers import Layer, layers_of
from nas_assistant.relevance._relevance import MaskingPredictor, in_forward_order, relevance
from nas_assistant.relevance._types import LayerRelevance, Relevance

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

__all__ = [
    "Layer",
    "LayerRelevance",
    "MaskingPredictor",
    "Relevance",
    "in_forward_order",
    "layers_of",
    "relevance",
]


class _CallablePackage(types.ModuleType):
    """A package that can be called: Python binds its name in the parent once it is imported."""

    def __call__(self, graph: ComputationalGraph, predictor: MaskingPredictor) -> Relevance:
        return relevance(graph, predictor)


sys.modules[__name__].__class__ = _CallablePackage
