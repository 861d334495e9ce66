"""Relevance by masking: what the prediction loses without a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from nas_assistant.graphs import ComputationalGraph
from nas_assistant.relevance._layers import layers_of
from nas_assistant.relevance._types import LayerRelevance, Relevance


class MaskingPredictor(Protocol):
    """What relevance needs of a predictor."""

    def predict(self, graph: ComputationalGraph) -> Any:
        """Something with an ``accuracy`` in [0, 1]."""

    def predict_masked(self, graph: ComputationalGraph, groups: Sequence[Sequence[int]]) -> Any:
        """The accuracy with each group of nodes masked, in one batch; shape ``(groups,)``."""


def relevance(graph: ComputationalGraph, predictor: MaskingPredictor) -> Relevance:
    """Mask each layer in turn and predict again (Mishra 2023, section 2.2, Algorithm 2).

    A masked layer's nodes are replaced by a dummy embedding that keeps the topology, all layers in one batch.
    The weight of a layer is what the prediction loses without it, divided by the sum of the absolute losses:
    positive means that the layer helps.

    Args:
        graph: The network.
        predictor: A :class:`nas_assistant.predictors.Predictor`.

    Returns:
        One entry a layer, breadth-first. A network without layers has none.
    """
    baseline = float(predictor.predict(graph).accuracy)
    layers = layers_of(graph)
    if not layers:
        return Relevance((), baseline)
    masked = predictor.predict_masked(graph, [layer.nodes for layer in layers])
    losses = [baseline - float(accuracy) for accuracy in masked]
    total = sum(abs(loss) for loss in losses) or 1.0
    return Relevance(
        tuple(
            LayerRelevance(
                layer.name,
                layer.op,
                loss / total,
                layer.place.file if layer.place else None,
                layer.place.line if layer.place else None,
            )
            for layer, loss in zip(layers, losses, strict=True)
        ),
        baseline,
    )


def in_forward_order(graph: ComputationalGraph, found: Relevance) -> tuple[LayerRelevance, ...]:
    """The layers of a result in the order in which the forward pass first runs them, to be read by a person.

    Args:
        graph: The network.
        found: Its relevance, as :func:`relevance` gives it.
    """
    first = [layer.nodes[0] for layer in layers_of(graph)]
    return tuple(found.layers[index] for index in sorted(range(len(first)), key=first.__getitem__))
