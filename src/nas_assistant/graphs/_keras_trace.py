"""The symbolic Keras tracer: calls a model on symbolic tensors and notes what runs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import KerasTensor, tree
from keras.src.backend.common.variables import Variable
from keras.src.models.functional import Functional

from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._keras_nodes import NodeAdder, is_composite
from nas_assistant.graphs._keras_ops import describe_operation, is_variable
from nas_assistant.graphs._locations import caller_location, created_at
from nas_assistant.graphs._node import Location
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs.keras_layers import Step, weights_of

_OPERATORS = ("__add__", "__sub__", "__mul__", "__truediv__", "__pow__", "__matmul__")


def trace_keras(model: Any, inputs: Any) -> ComputationalGraph:
    """Trace one symbolic call.

    Args:
        model: The model or layer.
        inputs: Symbolic tensors, with a batch, in the structure that the model takes.
    """
    tracer = _Tracer(model, tree.flatten(inputs))
    with tracer.recording(), _unchanged(model):
        output = tracer.walk(model, inputs) if _is_plain_functional(model) else model(inputs)
    total = sum(math.prod(v.shape) for v in weights_of(model))
    return tracer.nodes.builder.build(tracer.nodes_of(output), total_parameters=total)


class _Tracer:
    """Turns symbolic calls into nodes."""

    def __init__(self, model: Any, inputs: Sequence[Any]) -> None:
        self.nodes = NodeAdder("keras", model)
        self._model = model
        self._node_of: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is only a tensor's own while the tensor lives
        self._read: list[Any] = []
        self._layers: list[Any] = []
        self._place: Location | None = None
        self._muted = False
        for tensor in inputs:
            self._track([tensor], self.nodes.add_input(tuple(tensor.shape)))

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """While active, symbolic calls of layers and operations are noted."""
        layer_class, operation_class = keras.layers.Layer, keras.Operation
        layer_call, operation_call = layer_class.symbolic_call, operation_class.symbolic_call
        value = Variable.value
        tracer = self

        def call_layer(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return tracer._on_layer(layer, layer_call, args, kwargs)

        def call_operation(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return tracer._on_operation(operation, operation_call, args, kwargs)

        def read(variable: Any) -> Any:
            if not tracer._muted:
                tracer._read.append(variable)
            return value.fget(variable)

        operators = {name: getattr(Variable, name) for name in _OPERATORS}
        layer_class.symbolic_call, operation_class.symbolic_call = call_layer, call_operation
        Variable.value = property(read)
        for name, operator in operators.items():
            setattr(Variable, name, _left_to_symbolic(operator))
        try:
            yield
        finally:
            layer_class.symbolic_call, operation_class.symbolic_call = layer_call, operation_call
            Variable.value = value
            for name, operator in operators.items():
                setattr(Variable, name, operator)

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
        tensors = [t for t in _tensors(args, kwargs) if id(t) in self._node_of]
        if self._muted or not tensors:
            return original(layer, *args, **kwargs)
        self._layers.append(layer)
        try:
            if _is_plain_functional(layer):
                return self.walk(layer, args[0])
            functional = getattr(layer, "_functional", None)
            if isinstance(layer, keras.Sequential) and functional is not None:
                return self.walk(functional, args[0], sequential=True)
            if is_composite(layer):
                return layer.call(*args, **kwargs)
            with self._silently():
                outputs = original(layer, *args, **kwargs)
                if isinstance(layer, keras.layers.EinsumDense) and None in outputs.shape:
                    # Keras leaves the sizes open that the user's `output_shape` leaves open.
                    kernel = KerasTensor(layer.kernel.shape)
                    outputs = keras.ops.einsum(layer.equation, tensors[0], kernel)
            if isinstance(layer, keras.layers.TimeDistributed):
                return self._each_step(layer, tensors[0], outputs)
            return self._add_layer(layer, tensors, outputs)
        finally:
            self._layers.pop()

    def _add_layer(self, layer: Any, tensors: Sequence[Any], outputs: Any) -> Any:
        flat = tree.flatten(outputs)
        sources = self.nodes_of(tensors)
        shapes = [tuple(t.shape) for t in tensors]
        place = caller_location() or self._place
        index, activation = self.nodes.add_layer(layer, sources, shapes, tuple(flat[0].shape), place)
        self._track(flat, index)
        return outputs if activation is None else activation(outputs)

    def _each_step(self, layer: Any, sequence: Any, outputs: Any) -> Any:
        """Run a layer on every time step: time counts as batch."""
        batch, steps = sequence.shape[:2]
        merged = KerasTensor((batch * steps, *sequence.shape[2:]), sequence.dtype)
        known = {"layer": layer.name, "detail": type(layer).__name__, "created": created_at(layer)}
        layout = "last" if len(merged.shape) == 4 else "plain"
        reshape = Step({"op": Operation.RESHAPE}, layout=layout)
        index = self.nodes.add_step(reshape, self.nodes_of(sequence), tuple(merged.shape), **known)
        self._track([merged], index)
        results = layer.layer(merged)
        back = Step({"op": Operation.RESHAPE}, layout="plain")
        self._track(
            [outputs], self.nodes.add_step(back, self.nodes_of(results), tuple(outputs.shape), **known)
        )
        return outputs

    def _on_operation(self, operation: Any, original: Any, args: Any, kwargs: Any) -> Any:
        if self._muted:
            return original(operation, *args, **kwargs)
        with self._silently():
            outputs = original(operation, *args, **kwargs)
        tensors = [t for t in tree.flatten((args, kwargs)) if hasattr(t, "shape")]
        sources = self.nodes_of(tensors)
        flat = [t for t in tree.flatten(outputs) if isinstance(t, KerasTensor)]
        if sources and flat:
            shape = tuple(flat[0].shape)
            inside = self._layers and self._layers[-1] is not self._model
            index = self.nodes.add_step(
                describe_operation(operation, tensors, shape),
                sources,
                shape,
                weights=self._weights_of(tensors),
                detail=type(operation).__name__,
                layer=self._layers[-1].name if inside else "",
                place=caller_location() or self._place,
            )
            self._track(flat, index)
        return outputs

    def _weights_of(self, tensors: Sequence[Any]) -> list[Any]:
        """Variables among an operation's arguments, or behind the numbers among them.

        What is computed from variables alone, such as an embedding of positions, is computed at once; the
        variables read for it belong to the operation that uses the result.
        """
        weights = [t for t in tensors if is_variable(t)]
        computed = [t for t in tensors if not isinstance(t, KerasTensor) and len(t.shape)]
        if not weights and computed:
            weights = list({id(v): v for v in self._read}.values())
            self._read.clear()
        return weights

    def _track(self, tensors: Sequence[Any], index: int) -> None:
        for tensor in tensors:
            self._node_of[id(tensor)] = index
            self._alive.append(tensor)

    @contextlib.contextmanager
    def _silently(self) -> Iterator[None]:
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before


def _tensors(args: Any, kwargs: Any) -> list[Any]:
    """Tensor arguments of a layer, masks left out."""
    named = {name: value for name, value in kwargs.items() if "mask" not in name}
    return [t for t in tree.flatten((args, named)) if isinstance(t, KerasTensor)]


def _is_plain_functional(model: Any) -> bool:
    return isinstance(model, Functional) and type(model).call is Functional.call


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


def _left_to_symbolic(operator: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A variable's operator that leaves ``self.gamma * x`` to a symbolic ``x``, which TensorFlow refuses."""

    def left(variable: Any, other: Any) -> Any:
        return NotImplemented if isinstance(other, KerasTensor) else operator(variable, other)

    return left
