"""Watches a Keras model: the operations of a TensorFlow graph, and layers while they run."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

# GELU is an Erf or a Tanh, Swish a Sigmoid of its input.
_GATES = frozenset({"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Erf", "Softplus"})
_LAYERS = frozenset({"Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "Conv2DBackpropInput"})
_PASSED_ON = frozenset({"Identity", "Cast", "Reshape"})
_DROPOUTS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout")
_NOISES = ("GaussianDropout", "GaussianNoise")
_NORMALISATIONS = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """The output of a convolution or product with weights in a TensorFlow graph.

    Attributes:
        tensor: The output.
        channels: Axis of its channels.
        weights: Weights that a channel has.
    """

    tensor: Any
    channels: int
    weights: int

    def per_channel(self, values: Any) -> Any:
        """Sum over places, ``(batch, channels)``."""
        places = [axis for axis in range(1, len(values.shape)) if axis != self.channels]
        return tf.reduce_sum(values, axis=places) if places else values


def find_logits(output: Any) -> Any:
    """The output before a softmax at the end of the graph."""
    operation = output.op
    while operation.type in _PASSED_ON:
        operation = operation.inputs[0].op
    return operation.inputs[0] if operation.type == "Softmax" else output


def find_gates() -> list[Any]:
    """Inputs of the activation functions in the graph that is being traced."""
    return [operation.inputs[0] for operation in _operations() if operation.type in _GATES]


def find_layer_outputs() -> list[LayerOutput]:
    """Outputs of the layers in the graph that is being traced."""
    found = []
    for operation in _operations():
        if operation.type in _LAYERS and any(_is_weight(source) for source in operation.inputs):
            output = operation.outputs[0]
            weight = next(source for source in operation.inputs if _is_weight(source))
            first = operation.type != "MatMul" and operation.get_attr("data_format") == b"NCHW"
            channels = 1 if first else len(output.shape) - 1
            count = math.prod(weight.shape) // int(output.shape[channels])
            found.append(LayerOutput(output, channels, count))
    return found


def _operations() -> list[Any]:
    operations: list[Any] = tf.compat.v1.get_default_graph().get_operations()
    # Those of gradients come after, and none is asked for before.
    return operations


def _is_weight(tensor: Any) -> bool:
    operation = tensor.op
    while operation.type in _PASSED_ON and operation.inputs:
        operation = operation.inputs[0].op
    return bool(operation.type == "ReadVariableOp")


@dataclass
class Seen:
    """What layers left while they ran.

    Attributes:
        variances: Of the input of each normalisation, mean over the channels.
        last_map: The last output with more than one place a channel.
    """

    variances: list[float] = field(default_factory=list)
    last_map: Any = None


@contextlib.contextmanager
def watching() -> Iterator[Seen]:
    """While active, layers that run note what :class:`Seen` holds."""
    seen = Seen()
    original = keras.layers.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = original(layer, *args, **kwargs)
        if type(layer).__name__ in _NORMALISATIONS:
            values = tf.cast(args[0], tf.float32)
            places = list(range(len(values.shape) - 1))
            seen.variances.append(float(tf.reduce_mean(tf.math.reduce_variance(values, axis=places))))
        shape = getattr(output, "shape", ())
        if len(shape) >= 3 and math.prod(shape[1:-1]) > 1:
            seen.last_map = output
        return output

    with _patched(keras.layers.Layer, "__call__", call):
        yield seen


@contextlib.contextmanager
def without_normalisation() -> Iterator[None]:
    """While active, normalisations hand their input on."""
    with _handing_on(_NORMALISATIONS):
        yield


@contextlib.contextmanager
def without_dropout() -> Iterator[None]:
    """While active, dropout and noise hand their input on."""
    with _handing_on((*_DROPOUTS, *_NOISES)):
        yield


@contextlib.contextmanager
def _handing_on(names: tuple[str, ...]) -> Iterator[None]:
    def call(layer: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        return inputs

    with contextlib.ExitStack() as stack:
        for name in names:
            if hasattr(keras.layers, name):
                stack.enter_context(_patched(getattr(keras.layers, name), "call", call))
        yield


@contextlib.contextmanager
def _patched(owner: type, name: str, function: Callable[..., Any]) -> Iterator[None]:
    inherited, original = name not in vars(owner), getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
