"""How a step of a Keras layer becomes a node; shared by the symbolic tracer and the ``tf.Graph`` reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._locations import created_at
from nas_assistant.graphs._node import Location
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs.keras_layers import Step, describe_layer, reads_channels_last, weights_of

_ACTIVATIONS = {
    "relu": Operation.RELU,
    "relu6": Operation.RELU6,
    "leaky_relu": Operation.LEAKY_RELU,
    "elu": Operation.ELU,
    "selu": Operation.ELU,
    "celu": Operation.ELU,
    "hard_silu": Operation.HARD_SWISH,
    "hard_sigmoid": Operation.HARD_SIGMOID,
    "silu": Operation.SWISH,
    "mish": Operation.SWISH,
    "gelu": Operation.GELU,
    "sigmoid": Operation.SIGMOID,
    "log_sigmoid": Operation.SIGMOID,
    "tanh": Operation.TANH,
    "softmax": Operation.SOFTMAX,
    "log_softmax": Operation.SOFTMAX,
}
# Layers of Keras's own that only run other layers or functions.
_COMPOSITES = ("Lambda", "SpectralNormalization", "Pipeline", "Sequential", "Functional")
# These use their activation inside, not on their output.
_CELLS = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM")


class NodeAdder:
    """Adds nodes, each variable's parameters counted once.

    Args:
        framework: Name of the framework in the graph.
        model: The model.
    """

    def __init__(self, framework: str, model: Any) -> None:
        self.builder = GraphBuilder(framework, _model_name(model))
        self.layout: dict[int, str] = {}
        self._model = model
        self._batch: int | None = None
        self._counted: set[int] = set()

    def add_input(self, shape: tuple[int, ...]) -> int:
        """Add an input of a shape with its batch; with two or three axes besides channels it is a map."""
        layout = "plain" if len(shape) < 4 else "last" if reads_channels_last(self._model) else "first"
        self._batch = self._batch or shape[0]
        index = self.builder.add(Operation.INPUT, output_shape=channels_first(shape, layout))
        self.layout[index] = layout
        return index

    def add_step(
        self,
        step: Step,
        sources: Sequence[int],
        output: tuple[int, ...],
        *,
        weights: Sequence[Any] = (),
        detail: str = "",
        layer: str = "",
        place: Location | None = None,
        created: Location | None = None,
    ) -> int:
        """Add one node.

        Args:
            step: What it is.
            sources: Ids of the nodes that it reads.
            output: Its shape with the batch, as the framework has it, where the step does not say.
            weights: Variables that it reads.
            detail: Name of the framework's own operation.
            layer: Name of the layer.
            place: Line of the call.
            created: Line of the layer's construction.
        """
        layout = step.layout or self.layout[sources[0]]
        attributes = dict(step.attributes)
        if output and self._batch and output[0] % self._batch == 0:
            # Time steps or windows that were folded into the batch are the same sample's.
            attributes["macs"] = attributes.get("macs", 0) * (output[0] // self._batch)
        fresh = {id(w): w for w in weights if id(w) not in self._counted and self._is_weight(w)}
        self._counted.update(fresh)
        if weights and "weight_shape" not in attributes:
            attributes["weight_shape"] = tuple(weights[0].shape)
        index = self.builder.add(
            attributes.pop("op"),
            sources,
            output_shape=channels_first(step.shape or output, layout),
            parameters=sum(math.prod(w.shape) for w in fresh.values()),
            layer=layer,
            detail=attributes.pop("detail", detail),
            call=place,
            created=created,
            **attributes,
        )
        self.layout[index] = layout
        return index

    def add_layer(
        self,
        layer: Any,
        sources: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
        output: tuple[int, ...],
        place: Location | None,
    ) -> tuple[int, Any]:
        """Add the nodes of one of Keras's own layers.

        Returns:
            The id of the last node, and the layer's activation where it is not one of Keras's own, so that
            the caller has to run it.
        """
        known = {"layer": layer.name, "place": place, "created": created_at(layer)}
        for step in describe_layer(layer, shapes, output):
            if step.attributes["op"] is Operation.ATTENTION:
                sources = list(dict.fromkeys(sources))
            weights = weights_of(layer) if step.variables is None else step.variables
            detail = type(layer).__name__
            sources = [self.add_step(step, sources, output, weights=weights, detail=detail, **known)]
        activation = _activation(layer)
        if activation is None:
            return sources[0], None
        name = getattr(activation, "__name__", "")
        own = str(getattr(activation, "__module__", "")).startswith("keras.")
        if not own or name not in _ACTIVATIONS:
            return sources[0], activation
        return self.add_step(Step({"op": _ACTIVATIONS[name]}), sources, output, detail=name, **known), None

    def _is_weight(self, variable: Any) -> bool:
        return variable.trainable or any(variable is weight for weight in weights_of(self._model))


def is_composite(layer: Any) -> bool:
    """Whether the steps of a layer's ``call`` are to be noted rather than the layer itself."""
    owner = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    own = owner.__module__.startswith("keras.") and not owner.__module__.startswith("keras.src.applications")
    return not own or owner.__name__ in _COMPOSITES


def channels_first(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    """Shape of one sample, channels first."""
    sample = tuple(shape[1:])
    return (sample[-1], *sample[:-1]) if layout == "last" and len(sample) > 1 else sample


def _model_name(model: Any) -> str:
    """Name of the class of a user's own, else of the model."""
    own = type(model).__module__.startswith(("keras.", "tensorflow."))
    return str(getattr(model, "name", "")) if own else type(model).__name__


def _activation(layer: Any) -> Any:
    """The activation that a layer applies to its output, if any."""
    if any(kind.__name__.startswith(_CELLS) for kind in type(layer).__mro__):
        return None
    activation = getattr(layer, "activation", None)
    return None if activation is keras.activations.linear else activation
