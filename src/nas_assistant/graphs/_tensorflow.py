"""TensorFlow: the ``tf.Graph`` of a model's call, with Keras's own layers kept whole."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._keras_nodes import NodeAdder, is_composite
from nas_assistant.graphs._locations import caller_location, created_at, is_library
from nas_assistant.graphs._node import Location
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs._patterns import BATCH_NORM_SCALE
from nas_assistant.graphs._tensorflow_ops import describe_tensorflow
from nas_assistant.graphs.keras_layers import Step, weights_of

_MAX_OPERATIONS = 200_000
# What these return is the same for every batch.
_SHAPES = ("Shape", "ShapeN", "Size", "Rank")


def trace_tensorflow(model: Any, inputs: Any) -> ComputationalGraph:
    """Read the graph that TensorFlow builds when a model is called.

    Layers of Keras's own stay one node each; what the model calls beside them (``tf.nn.*``, arithmetic,
    ``tf.Variable``) is read operation by operation.

    Args:
        model: A Keras model or layer, or a ``tf.Module`` that can be called.
        inputs: Symbolic tensors, with a batch, in the structure that the model takes.
    """
    try:
        # Without conversion every line of the trace is one of the user's file.
        return _trace(model, tf.autograph.experimental.do_not_convert(model), inputs)
    except Exception:
        return _trace(model, model, inputs)


def _trace(model: Any, call: Any, inputs: Any) -> ComputationalGraph:
    graph = tf.__internal__.FuncGraph("call")
    reader = _Reader(model, graph)
    with reader.whole_layers(), _inlined(), graph.as_default(), tf.GradientTape() as tape:
        tensors = tree.map_structure(
            lambda x: tf.compat.v1.placeholder(shape=tuple(x.shape), dtype=x.dtype), inputs
        )
        output = call(tensors)
    reader.watch(tape.watched_variables())
    reader.read(tree.flatten(tensors))
    return reader.build(tree.flatten(output))


@dataclass(frozen=True)
class _LayerCall:
    """A layer of Keras's own that ran: its operations are ``first`` to ``last - 1`` of the graph."""

    layer: Any
    inputs: tuple[Any, ...]
    output: tuple[Any, ...]
    first: int
    last: int
    place: Location | None
    step: Step | None = None  # what it is, where it is not the layer as a whole


class _Reader:
    def __init__(self, model: Any, graph: Any) -> None:
        self._nodes = NodeAdder("tensorflow", model)
        self._model = model
        self._graph = graph
        self._calls: list[_LayerCall] = []
        self._node_of: dict[Any, int] = {}
        self._weights: dict[Any, list[_Weight]] = {}
        self._rooted: set[Any] = set()
        self._variables = weights_of(model)
        self._inside = False

    @contextlib.contextmanager
    def whole_layers(self) -> Iterator[None]:
        """While active, calls of Keras's own layers are noted with the operations that they add."""
        original = keras.layers.Layer.__call__
        reader = self

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            tensors = [t for t in tree.flatten(args) if tf.is_tensor(t)]
            current = tf.compat.v1.get_default_graph() is reader._graph
            if reader._inside or not current or not tensors or is_composite(layer):
                return original(layer, *args, **kwargs)
            if isinstance(layer, keras.layers.TimeDistributed):
                static = tensors[0].shape.is_fully_defined()
                return reader._each_step(layer, tensors[0]) if static else original(layer, *args, **kwargs)
            return reader._noted(layer, tensors, lambda: original(layer, *args, **kwargs))

        keras.layers.Layer.__call__ = call
        try:
            yield
        finally:
            keras.layers.Layer.__call__ = original

    def read(self, inputs: Sequence[Any]) -> None:
        """Take over the operations in the order in which the model made them."""
        for tensor in inputs:
            self._node_of[tensor.ref()] = self._nodes.add_input(tuple(tensor.shape))
        weights = {id(v.handle): _Weight.of(v) for v in self._variables}
        for outside, inside in self._graph.captures:
            weight = weights.get(id(outside))
            self._weights[inside.ref()] = [weight] if weight else []
        operations = self._graph.get_operations()
        if len(operations) > _MAX_OPERATIONS:
            raise ValueError(f"the call runs {len(operations):,} operations, more than {_MAX_OPERATIONS:,}")
        position = 0
        for call in self._calls:
            for operation in operations[position : call.first]:
                self._read_operation(operation)
            self._read_layer(call)
            position = call.last
        for operation in operations[position:]:
            self._read_operation(operation)

    def build(self, outputs: Sequence[Any]) -> ComputationalGraph:
        """The graph, up to the tensors that the model returned."""
        ends = [self._node_of[t.ref()] for t in outputs if tf.is_tensor(t) and t.ref() in self._node_of]
        total = sum(math.prod(v.shape) for v in self._variables)
        return self._nodes.builder.build(ends, total_parameters=total)

    def watch(self, variables: Sequence[Any]) -> None:
        """Add the trainable variables that the call read and that Keras does not know."""
        known = {id(v.handle) for v in self._model.variables}
        self._variables += [v for v in variables if id(v.handle) not in known]

    def _noted(
        self, layer: Any, inputs: Sequence[Any], run: Callable[[], Any], step: Step | None = None
    ) -> Any:
        """What a layer returns, noted as one call of it."""
        self._inside = True
        first = len(self._graph.get_operations())
        try:
            output = run()
        finally:
            self._inside = False
        last = len(self._graph.get_operations())
        flat = tuple(t for t in tree.flatten(output) if tf.is_tensor(t))
        self._calls.append(_LayerCall(layer, tuple(inputs), flat, first, last, caller_location(), step))
        return output

    def _each_step(self, layer: Any, sequence: Any) -> Any:
        """Run a layer on every time step at once: time counts as batch."""
        batch, steps, *sizes = sequence.shape
        fold = Step({"op": Operation.RESHAPE}, layout="last" if len(sizes) == 3 else "plain")
        merged = self._noted(layer, [sequence], lambda: tf.reshape(sequence, (batch * steps, *sizes)), fold)
        result = layer.layer(merged)
        unfold = Step({"op": Operation.RESHAPE}, layout="plain")
        return self._noted(
            layer, [result], lambda: tf.reshape(result, (batch, steps, *result.shape[1:])), unfold
        )

    def _read_layer(self, call: _LayerCall) -> None:
        known = [t for t in call.inputs if t.ref() in self._node_of]
        if not known or not call.output:
            weights = [_Weight.of(v) for v in weights_of(call.layer)]
            for tensor in call.output:
                self._weights[tensor.ref()] = weights
            return
        sources = [self._node_of[t.ref()] for t in known]
        shape = tuple(call.output[0].shape)
        if call.step is not None:
            index = self._nodes.add_step(
                call.step,
                sources,
                shape,
                detail=type(call.layer).__name__,
                layer=call.layer.name,
                place=call.place,
                created=created_at(call.layer),
            )
        else:
            shapes = [tuple(t.shape) for t in known]
            index, activation = self._nodes.add_layer(call.layer, sources, shapes, shape, call.place)
            if activation is not None:
                step = Step({"op": Operation.OTHER})
                name = getattr(activation, "__name__", type(activation).__name__)
                index = self._nodes.add_step(step, [index], shape, detail=name, layer=call.layer.name)
        for tensor in call.output:
            self._node_of[tensor.ref()] = index

    def _read_operation(self, operation: Any) -> None:
        inputs = list(operation.inputs)
        sources = [self._node_of[t.ref()] for t in inputs if t.ref() in self._node_of]
        weights = [w for t in inputs for w in self._weights.get(t.ref(), [])]
        if not sources or operation.type in _SHAPES:
            self._read_constant(operation, weights)
        elif operation.type == "IdentityN":
            for before, after in zip(inputs, operation.outputs, strict=True):
                if before.ref() in self._node_of:
                    self._node_of[after.ref()] = self._node_of[before.ref()]
        elif operation.outputs:
            scales = operation.type == "Mul" and any(t.ref() in self._rooted for t in inputs)
            index = self._nodes.add_step(
                describe_tensorflow(operation, [w.shape for w in weights]),
                sources,
                tuple(operation.outputs[0].shape),
                weights=[w.variable for w in weights],
                detail=BATCH_NORM_SCALE if scales else operation.type,
                place=_place(operation),
            )
            for tensor in operation.outputs:
                self._node_of[tensor.ref()] = index

    def _read_constant(self, operation: Any, weights: list[_Weight]) -> None:
        """An operation on weights alone: what reads its result reads the weights."""
        rooted = operation.type == "Rsqrt" or any(t.ref() in self._rooted for t in operation.inputs)
        for tensor in operation.outputs:
            if operation.type not in _SHAPES:
                self._weights.setdefault(tensor.ref(), weights)
            if rooted:
                self._rooted.add(tensor.ref())


@dataclass(frozen=True)
class _Weight:
    variable: Any
    shape: tuple[int, ...]

    @classmethod
    def of(cls, variable: Any) -> _Weight:
        return cls(variable, tuple(int(size) for size in variable.shape))


def _place(operation: Any) -> Location | None:
    frames = [(frame.filename, frame.lineno) for frame in operation.traceback or ()]
    return next((Location(file, line) for file, line in reversed(frames) if not is_library(file)), None)


@contextlib.contextmanager
def _inlined() -> Iterator[None]:
    """While active, functions under ``tf.function`` add to the graph that calls them."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
