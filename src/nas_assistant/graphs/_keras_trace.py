"""The symbolic Keras tracer: calls a model on symbolic tensors and notes what runs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import KerasTensor, tree
from keras.src.models.functional import Functional

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._keras_layers import Step, describe_layer
from nas_assistant.graphs._keras_ops import describe_operation, is_variable
from nas_assistant.graphs._locations import caller_location, created_at
from nas_assistant.graphs._node import Location
from nas_assistant.graphs._operations import Operation

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
_COMPOSITES = ("Lambda", "SpectralNormalization", "RematScope", "Pipeline")
_CELLS = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM")


def trace_keras(model: Any, inputs: Any) -> ComputationalGraph:
    """Trace one symbolic call.

    Args:
        model: The model or layer.
        inputs: Symbolic tensors, with a batch, in the structure that the model takes.
    """
    tracer = _Tracer(model, tree.flatten(inputs))
    with tracer.recording(), _unchanged(model):
        output = tracer.walk(model, inputs) if _is_plain_functional(model) else model(inputs)
    total = sum(math.prod(v.shape) for v in model.trainable_variables)
    return tracer.builder.build(tracer.nodes_of(output), total_parameters=total)


class _Tracer:
    """Turns symbolic calls into nodes."""

    def __init__(self, model: Any, inputs: Sequence[Any]) -> None:
        own = type(model).__module__.startswith("keras.")
        self.builder = GraphBuilder("keras", model.name if own else type(model).__name__)
        self._model = model
        self._node_of: dict[int, int] = {}
        self._layout: dict[int, str] = {}
        self._counted: set[int] = set()
        self._alive: list[Any] = []  # an id is only a tensor's own while the tensor lives
        self._constants: dict[int, list[Any]] = {}
        self._layers: list[Any] = []
        self._place: Location | None = None
        self._muted = False
        last = keras.config.image_data_format() == "channels_last"
        for tensor in inputs:
            layout = "plain" if len(tensor.shape) < 4 else "last" if last else "first"
            shape = _channels_first(tuple(tensor.shape), layout)
            self._track([tensor], self.builder.add(Operation.INPUT, output_shape=shape), layout)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """While active, symbolic calls of layers and operations are noted."""
        layer_class, operation_class = keras.layers.Layer, keras.Operation
        layer_call, operation_call = layer_class.symbolic_call, operation_class.symbolic_call
        eager_call = layer_class.__call__
        tracer = self

        def call_layer(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return tracer._on_layer(layer, layer_call, args, kwargs)

        def call_operation(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return tracer._on_operation(operation, operation_call, args, kwargs)

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            result = eager_call(layer, *args, **kwargs)
            tracer._note_constant(layer, result)
            return result

        layer_class.symbolic_call, operation_class.symbolic_call = call_layer, call_operation
        layer_class.__call__ = call
        try:
            yield
        finally:
            layer_class.symbolic_call, operation_class.symbolic_call = layer_call, operation_call
            layer_class.__call__ = eager_call

    def walk(self, model: Any, inputs: Any, *, sequential: bool = False) -> Any:
        """Run a functional model's operations.

        Each has the place of its own call; those of a sequential model run where the model is called.
        """
        values = dict(zip(map(id, model._inputs), tree.flatten(inputs), strict=True))
        outer = self._place
        place = caller_location() or outer
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input or any(id(x) not in values for x in node.input_tensors):
                    continue
                args, kwargs = node.arguments.fill_in(values)
                self._place = place if sequential else created_at(node)
                results = tree.flatten(node.operation(*args, **kwargs))
                self._place = outer
                values.update(zip(map(id, node.outputs), results, strict=False))
        return tree.pack_sequence_as(model._outputs_struct, [values[id(x)] for x in model._outputs])

    def nodes_of(self, value: Any) -> list[int]:
        """Ids of the nodes behind the tensors of a structure."""
        return [self._node_of[id(t)] for t in tree.flatten(value) if id(t) in self._node_of]

    def _on_layer(self, layer: Any, original: Any, args: Any, kwargs: Any) -> Any:
        sources = self._sources(args, kwargs)
        if self._muted or not sources:
            return original(layer, *args, **kwargs)
        self._layers.append(layer)
        try:
            if _is_plain_functional(layer):
                return self.walk(layer, args[0])
            functional = getattr(layer, "_functional", None)
            if isinstance(layer, keras.Sequential) and functional is not None:
                return self.walk(functional, args[0], sequential=True)
            if isinstance(layer, keras.layers.TimeDistributed):
                return self._each_step(layer, original, args, kwargs)
            if _is_composite(layer):
                return layer.call(*args, **kwargs)
            with self._silently():
                outputs = original(layer, *args, **kwargs)
            return self._add_layer(layer, sources, args, kwargs, outputs)
        finally:
            self._layers.pop()

    def _on_operation(self, operation: Any, original: Any, args: Any, kwargs: Any) -> Any:
        if self._muted:
            return original(operation, *args, **kwargs)
        with self._silently():
            outputs = original(operation, *args, **kwargs)
        tensors = [t for t in tree.flatten((args, kwargs)) if hasattr(t, "shape")]
        sources = [self._node_of[id(t)] for t in tensors if id(t) in self._node_of]
        flat = [t for t in tree.flatten(outputs) if isinstance(t, KerasTensor)]
        if sources and flat:
            step = describe_operation(operation, tensors, tuple(flat[0].shape))
            weights = [w for t in tensors for w in self._weights_of(t)]
            inner = self._layers and self._layers[-1] is not self._model
            layer = self._layers[-1].name if inner else ""
            detail = type(operation).__name__
            place = caller_location() or self._place
            index, layout = self._add(step, sources, flat[0], weights, layer, detail, place, None)
            self._track(flat, index, layout)
        return outputs

    def _add_layer(self, layer: Any, sources: list[int], args: Any, kwargs: Any, outputs: Any) -> Any:
        flat = tree.flatten(outputs)
        shapes = [tuple(t.shape) for t in _tensors(args, kwargs) if id(t) in self._node_of]
        activation = _activation(layer)
        place = caller_location() or self._place
        layout = self._layout[sources[0]]
        for step in describe_layer(layer, shapes, tuple(flat[0].shape)):
            weights = list(layer.trainable_variables if step.variables is None else step.variables)
            kind = type(layer).__name__
            index, layout = self._add(
                step, sources, flat[0], weights, layer.name, kind, place, created_at(layer)
            )
            sources = [index]
        self._track(flat, index, layout)
        if activation is None:
            return outputs
        known = _ACTIVATIONS.get(getattr(activation, "__name__", ""))
        if known is None or getattr(activation, "__module__", "").startswith("keras.") is False:
            return activation(outputs)
        step = Step({"op": known})
        name = activation.__name__
        index, layout = self._add(step, sources, flat[0], [], layer.name, name, place, created_at(layer))
        self._track(flat, index, layout)
        return outputs

    def _add(
        self,
        step: Step,
        sources: list[int],
        output: Any,
        weights: Sequence[Any],
        layer: str,
        detail: str,
        place: Location | None,
        created: Location | None,
    ) -> tuple[int, str]:
        layout = step.layout or self._layout[sources[0]]
        attributes = dict(step.attributes)
        trainable = [w for w in weights if w.trainable]
        fresh = {id(w): w for w in trainable if id(w) not in self._counted}
        self._counted.update(fresh)
        if weights and "weight_shape" not in attributes:
            attributes["weight_shape"] = tuple(weights[0].shape)
        shape = step.shape or tuple(output.shape)
        index = self.builder.add(
            attributes.pop("op"),
            sources,
            output_shape=_channels_first(shape, layout),
            parameters=sum(math.prod(w.shape) for w in fresh.values()),
            layer=layer,
            detail=attributes.pop("detail", detail),
            call=place,
            created=created,
            **attributes,
        )
        self._layout[index] = layout
        return index, layout

    def _each_step(self, layer: Any, original: Any, args: Any, kwargs: Any) -> Any:
        """Run a layer on every time step: time counts as batch."""
        with self._silently():
            outputs = original(layer, *args, **kwargs)
        sequence = args[0]
        batch, steps = sequence.shape[:2]
        merged = KerasTensor((batch * steps, *sequence.shape[2:]), sequence.dtype)
        node = self._node_of[id(sequence)]
        self._track([merged], node, "last" if len(merged.shape) == 4 else "plain")
        results = layer.layer(merged)
        index, _ = self._add(
            Step({"op": Operation.RESHAPE}, layout="plain"),
            self.nodes_of(results),
            outputs,
            [],
            layer.name,
            type(layer).__name__,
            self._place,
            created_at(layer),
        )
        self._track([outputs], index, "plain")
        return outputs

    def _sources(self, args: Any, kwargs: Any) -> list[int]:
        return [self._node_of[id(t)] for t in _tensors(args, kwargs) if id(t) in self._node_of]

    def _weights_of(self, tensor: Any) -> list[Any]:
        return [tensor] if is_variable(tensor) else self._constants.get(id(tensor), [])

    def _note_constant(self, layer: Any, result: Any) -> None:
        """A layer that ran on numbers, such as an embedding of positions: what reads it reads its weights."""
        for tensor in tree.flatten(result):
            if not isinstance(tensor, KerasTensor) and layer.trainable_variables:
                self._constants[id(tensor)] = list(layer.trainable_variables)
                self._alive.append(tensor)

    def _track(self, tensors: Sequence[Any], index: int, layout: str) -> None:
        self._layout[index] = layout
        for tensor in tensors:
            self._node_of[id(tensor)] = index
            self._alive.append(tensor)

    @contextlib.contextmanager
    def _silently(self) -> Iterator[None]:
        self._muted = True
        try:
            yield
        finally:
            self._muted = False


def _tensors(args: Any, kwargs: Any) -> list[Any]:
    """Tensor arguments of a layer, masks left out."""
    named = {name: value for name, value in kwargs.items() if "mask" not in name}
    return [t for t in tree.flatten((args, named)) if isinstance(t, KerasTensor)]


def _activation(layer: Any) -> Any:
    """The activation that a layer applies to its output, if any."""
    if any(kind.__name__.startswith(_CELLS) for kind in type(layer).__mro__):
        return None
    activation = getattr(layer, "activation", None)
    return None if activation is None or activation is keras.activations.linear else activation


def _is_plain_functional(model: Any) -> bool:
    return isinstance(model, Functional) and type(model).call is Functional.call


def _is_composite(layer: Any) -> bool:
    """Whether the steps of a layer's ``call`` are to be noted rather than the layer itself."""
    owner = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    return not owner.__module__.startswith("keras.") or owner.__name__ in (*_COMPOSITES, "Sequential")


def _channels_first(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    sample = shape[1:]
    return (sample[-1], *sample[:-1]) if layout == "last" and len(sample) > 1 else sample


@contextlib.contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Forget the call nodes that a trace leaves on the layers."""
    layers = list(model._flatten_layers())
    kept = [(part, list(part._inbound_nodes), list(part._outbound_nodes)) for part in layers]
    try:
        yield
    finally:
        for part, inbound, outbound in kept:
            part._inbound_nodes, part._outbound_nodes = inbound, outbound
