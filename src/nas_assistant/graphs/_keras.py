"""Keras front end: a symbolic trace of the layers, or the ``tf.Graph`` of models that call ``tf.*``."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nas_assistant.errors import MissingExtraError, UserError
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._locations import CREATED, caller_location, creator_location

BATCH = 2
_DEFAULT_SIZE = 32
# What a symbolic tensor answers where the model wants a real one, as ``tf.*`` functions do.
_NOT_SYMBOLIC = re.compile(r"KerasTensor( cannot| is |')")


def read_keras(model: Any, input_shape: Sequence[int] | None = None) -> ComputationalGraph:
    """Read a Keras model without running it.

    The model is called on symbolic tensors and every layer and operation that this calls is noted, those
    inside layers and models of the user's own too. A model that hands its tensors to ``tf.*`` functions
    cannot be called so; it is read from the ``tf.Graph`` of its call.

    Args:
        model: A functional, sequential or subclassed ``keras.Model``, or any layer. One that is not built
            yet gets built.
        input_shape: Without the batch, channels first; or a sequence of such shapes, one for each input.
            Only needed where the model does not say.

    Raises:
        MissingExtraError: Keras is not installed.
        UserError: No input shape is known, or the model does not run on it.
    """
    try:
        import keras
    except ImportError as error:
        raise MissingExtraError("keras", "tensorflow", "Reading a Keras model") from error
    from nas_assistant.graphs._keras_trace import trace_keras

    inputs = _symbolic_inputs(keras, model, input_shape)
    try:
        with _quietly():
            return trace_keras(model, inputs)
    except Exception as symbolic:
        expected = _NOT_SYMBOLIC.search(str(symbolic)) is not None
        try:
            from nas_assistant.graphs._tensorflow import trace_tensorflow

            with _quietly():
                graph = trace_tensorflow(model, inputs)
        except Exception as error:
            shapes = ", ".join(str(tuple(x.shape[1:])) for x in keras.tree.flatten(inputs))
            cause = error if expected else symbolic
            name = type(model).__name__
            raise UserError(
                f"{name} does not run on an input of shape {shapes}: {_one_line(cause)}"
            ) from cause
        if expected or not isinstance(model, keras.layers.Layer):
            return graph
        why = f"{type(symbolic).__name__}: {_one_line(symbolic)}"
        note = f"read operation by operation, as the trace of its layers failed: {why}"
        return replace(graph, warnings=(*graph.warnings, note))


def _symbolic_inputs(keras: Any, model: Any, input_shape: Sequence[int] | None) -> Any:
    """Tensors to call the model on, in the structure that it takes."""
    given = [] if input_shape is None else list(input_shape)
    shapes = [tuple(s) for s in given] if given and not isinstance(given[0], int) else [tuple(given)]
    declared = _declared(model)
    if declared is not None:
        flat = keras.tree.flatten(declared)
        shapes = shapes if len(shapes) == len(flat) else [()] * len(flat)
        return keras.tree.pack_sequence_as(
            declared,
            [
                _tensor(keras, _filled(tensor.shape, _model_order(model, shape)), tensor.dtype)
                for tensor, shape in zip(flat, shapes, strict=True)
            ],
        )
    if input_shape is None:
        built = getattr(model, "_build_shapes_dict", None) or {}
        known = [s for s in built.values() if isinstance(s, tuple) and s and not isinstance(s[0], tuple)]
        if len(known) != 1:
            raise UserError(
                f"the input shape of {type(model).__name__} is not known: give it, channels first"
            )
        return _tensor(keras, _filled(known[0], ()), _dtype(keras, model))
    tensors = [_tensor(keras, (BATCH, *_model_order(model, shape)), _dtype(keras, model)) for shape in shapes]
    return tensors if len(tensors) > 1 else tensors[0]


def _declared(model: Any) -> Any:
    """The input tensors, in their structure, of a model that has them."""
    with contextlib.suppress(AttributeError, ValueError):
        functional = getattr(model, "_functional", None) or model
        if model.inputs:
            return functional._inputs_struct
    return None


def _filled(declared: Sequence[int | None], given: Sequence[int]) -> tuple[int, ...]:
    """A declared shape with its batch, what it leaves open taken from the given one."""
    own = list(declared[1:])
    fill = list(given) if len(given) == len(own) else [_DEFAULT_SIZE] * len(own)
    batch = declared[0] or BATCH
    return (batch, *(int(f if size is None else size) for size, f in zip(own, fill, strict=True)))


def _model_order(model: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    from nas_assistant.graphs.keras_layers import reads_channels_last

    return (*shape[1:], shape[0]) if len(shape) in (3, 4) and reads_channels_last(model) else shape


def _dtype(keras: Any, model: Any) -> str:
    from nas_assistant.graphs.keras_layers import reads_tokens

    return "int32" if reads_tokens(model) else str(keras.config.floatx())


def _tensor(keras: Any, shape: tuple[int, ...], dtype: str) -> Any:
    return keras.KerasTensor(shape, dtype=dtype)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """While active, Keras does not warn of what the error after it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _one_line(error: BaseException) -> str:
    """The first line that says something: Keras puts a heading and colour codes around it."""
    lines = (re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines())
    told = (line for line in lines if line and not line.startswith("Exception encountered when calling"))
    return next(told, type(error).__name__)


@contextlib.contextmanager
def record_keras_creation() -> Iterator[None]:
    """While active, layers note the line that creates them, and symbolic calls the line that calls."""
    from keras import Operation
    from keras.src.ops.node import Node

    new, init = Operation.__new__, Node.__init__

    @functools.wraps(new)
    def noting_creation(cls: type, *args: Any, **kwargs: Any) -> Any:
        instance = new(cls, *args, **kwargs)
        instance.__dict__.setdefault(CREATED, creator_location(instance))
        return instance

    @functools.wraps(init)
    def noting_call(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.__dict__[CREATED] = caller_location()

    Operation.__new__ = noting_creation
    Node.__init__ = noting_call
    try:
        yield
    finally:
        Operation.__new__ = new
        Node.__init__ = init
