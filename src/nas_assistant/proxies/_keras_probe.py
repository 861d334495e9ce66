"""Asks a Keras model what proxies ask, through the graph of a TensorFlow function."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.graphs.keras_layers import reads_channels_last
from nas_assistant.proxies._keras_recorder import (
    find_gates,
    find_layer_outputs,
    find_logits,
    watching,
    without_dropout,
    without_normalisation,
)
from nas_assistant.proxies._probe import BATCH, Array, BaseProbe, Block, Perturbation, Saliency


class KerasProbe(BaseProbe):
    """A Keras model; see :class:`BaseProbe`. The model's own weights are changed, until :meth:`close`.

    Args:
        model: A built model.
        inputs: Channels first.
        labels: Class numbers.
        seed: Of everything random.
        input_shape: Of one sample, channels first, where there are no inputs.
        tokens: Whether a sample is whole numbers then.

    Raises:
        UserError: The model does not run on the samples.
    """

    framework: ClassVar[str] = "keras"

    def __init__(
        self,
        model: Any,
        inputs: Array | None,
        labels: Array | None,
        seed: int,
        input_shape: tuple[int, ...] | None = None,
        tokens: bool = False,
    ) -> None:
        super().__init__(inputs, labels, seed)
        self._model = model
        kind = np.int64 if tokens else np.float32
        values = np.zeros((BATCH, *(input_shape or ())), kind) if inputs is None else inputs
        self._shape = tuple(values.shape[1:])
        last = values.ndim in (4, 5) and reads_channels_last(model)
        self._x = np.moveaxis(values, 1, -1) if last else values
        self._y = None if self.labels is None else self.labels.astype(np.int64)
        try:
            model(self._x[:2], training=False)
        except Exception as error:
            shape = ",".join(map(str, self._shape))
            raise UserError(f"{type(model).__name__} does not run on samples of shape {shape}") from error
        self._kept = model.get_weights()
        self._initialise(lambda rng, shape, fan: rng.uniform(-1, 1, shape) / math.sqrt(fan))
        self._weights = _weights(model)

    def close(self) -> None:
        """Give the model its weights back."""
        self._model.set_weights(self._kept)

    @cached_property
    def graph(self) -> ComputationalGraph:
        """The computational graph."""
        return ComputationalGraph.from_keras(self._model, self._shape)

    def weights(self) -> list[Array]:
        """The weights, in Keras's layout."""
        self.check_weights(self._weights)
        return [np.asarray(w) for w in self._weights]

    def gradients(self) -> list[Array | None]:
        """From the shared pass."""
        self.check_weights(self._weights)
        return self._loss_gradients[0]

    def saliencies(self) -> list[Saliency]:
        """From the shared pass."""
        return self._loss_gradients[1]

    def patterns(self) -> list[Array]:
        """Signs at the inputs of the activation functions in the TensorFlow graph."""

        def read(x: Any) -> Any:
            self._logits(x)
            return [tf.reshape(gate > 0, (len(self._x), -1)) for gate in find_gates()]

        return [found.numpy() for found in self._trace(read, self._x)]

    def input_gradients(self) -> Array:
        """A backward pass to the input."""
        self.check_numbers(self._x.dtype)

        def read(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(self._logits(x))
            return tape.gradient(total, x)

        gradient: Array = self._trace(read, self._x).numpy()
        return gradient.reshape(len(gradient), -1)

    def part_gradients(self, parts: Sequence[slice]) -> list[list[Array | None]]:
        """A pass for each part."""
        self.check_weights(self._weights)
        assert self._y is not None

        def read(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self._loss(x, y)
            return tape.gradient(loss, self._weights)

        return [_arrays(self._trace(read, self._x[part], self._y[part])) for part in parts]

    def hessian_gradients(self) -> list[Array | None]:
        """By differentiating half the squared norm of the gradient."""
        self.check_weights(self._weights)

        def read(x: Any, y: Any) -> Any:
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    loss = self._loss(x, y)
                gradients = [g for g in inner.gradient(loss, self._weights) if g is not None]
                product = tf.add_n([tf.reduce_sum(tf.stop_gradient(g) * g) for g in gradients])
            return outer.gradient(product, self._weights)

        return _arrays(self._trace(read, self._x, self._y))

    def flows(self) -> list[Array]:
        """One sample of ones, in float64 where the model can be cloned, or else in its own precision."""
        self.check_weights(self._weights)
        self.check_numbers(self._x.dtype)
        model = _in_float64(self._model)
        weights = _weights(model)
        x = np.ones_like(self._x[:1], dtype=np.float64 if model is not self._model else self._x.dtype)

        def read(x: Any) -> Any:
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(self._logits(x, model))
            return tape.gradient(total, weights)

        with self._borrowed_weights() as own:
            model.set_weights([np.abs(value) for value in own])
            with without_normalisation():
                gradients = _arrays(self._trace(read, x))
            values = [np.asarray(w).astype(np.float64) for w in weights]
        return [w * g for w, g in zip(values, gradients, strict=True) if g is not None]

    def perturbation(self, size: float) -> Perturbation:
        """Two passes."""
        self.check_numbers(self._x.dtype)
        rng = np.random.default_rng(self.seed)
        first, noise = (rng.standard_normal(self._x.shape).astype(np.float32) for _ in range(2))
        maps = []
        with self._borrowed_weights():
            self._initialise(lambda rng, shape, fan: rng.standard_normal(shape))
            for x in (first, first + size * noise):
                with watching() as seen, without_dropout():
                    logits = self._model(tf.constant(x), training=True)
                maps.append(np.asarray(logits if seen.last_map is None else seen.last_map))
        change = np.abs(maps[0] - maps[1]).reshape(len(maps[0]), -1).sum(axis=1).mean()
        return Perturbation(float(change), tuple(seen.variances))

    def blocks(self) -> list[Block]:
        """Not to be had: Keras keeps no order of the tensors that every path passes."""
        raise self.unsupported("the blocks of a network are only read from PyTorch modules")

    @contextlib.contextmanager
    def _borrowed_weights(self) -> Iterator[list[Array]]:
        """The weights of now, which the model gets back whatever happens."""
        kept = self._model.get_weights()
        try:
            yield kept
        finally:
            self._model.set_weights(kept)

    @cached_property
    def _loss_gradients(self) -> tuple[list[Array | None], list[Saliency]]:
        counts: list[int] = []

        def read(x: Any, y: Any) -> Any:
            with tf.GradientTape(persistent=True) as tape:
                loss = self._loss(x, y)
            layers = find_layer_outputs()
            counts.extend(layer.weights for layer in layers)
            gradients = [tape.gradient(loss, layer.tensor) for layer in layers]
            saliencies = [
                layer.per_channel(layer.tensor * g)
                for layer, g in zip(layers, gradients, strict=True)
                if g is not None
            ]
            kept = [layer.weights for layer, g in zip(layers, gradients, strict=True) if g is not None]
            counts[:] = kept
            return tape.gradient(loss, self._weights), saliencies

        gradients, saliencies = self._trace(read, self._x, self._y)
        found = zip(saliencies, counts, strict=True)
        return _arrays(gradients), [Saliency(values.numpy(), count) for values, count in found]

    def _loss(self, x: Any, y: Any) -> Any:
        logits = self._logits(x)
        self.check_classes(logits.shape)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))

    def _logits(self, x: Any, model: Any = None) -> Any:
        output = keras.tree.flatten((model or self._model)(x, training=True))[0]
        return find_logits(output)

    def _trace(self, read: Callable[..., Any], *arrays: Any) -> Any:
        with without_dropout():
            return tf.function(read, autograph=False)(*(tf.constant(array) for array in arrays))

    def _initialise(self, draw: Callable[[np.random.Generator, tuple[int, ...], int], Array]) -> None:
        rng = np.random.default_rng(self.seed)
        depthwise = _depthwise(self._model)
        for variable in self._model.weights:
            shape = tuple(variable.shape)
            if len(shape) >= 2 and variable.trainable:
                kernel = shape[:-2] if id(variable) in depthwise else shape[:-1]
                fan = shape[-1] if variable.name == "embeddings" else math.prod(kernel)
                variable.assign(draw(rng, shape, max(fan, 1)).astype(variable.dtype))
            elif variable.name in ("bias", "beta", "moving_mean"):
                variable.assign(np.zeros(shape, variable.dtype))
            elif variable.name in ("gamma", "moving_variance"):
                variable.assign(np.ones(shape, variable.dtype))


def _depthwise(model: Any) -> set[int]:
    """Kernels of which each channel reads one channel."""
    found = set()
    for layer in model._flatten_layers():
        name = type(layer).__name__
        if name.startswith("DepthwiseConv"):
            found.add(id(layer.kernel))
        elif name.startswith("SeparableConv"):
            found.add(id(layer.depthwise_kernel))
    return found


def _weights(model: Any) -> list[Any]:
    return [v.value for v in model.trainable_variables if len(v.shape) >= 2]


def _arrays(tensors: Sequence[Any]) -> list[Array | None]:
    return [None if tensor is None else tf.convert_to_tensor(tensor).numpy() for tensor in tensors]


def _in_float64(model: Any) -> Any:
    """A copy of a functional or sequential model in double precision, or the model itself."""

    def convert(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    with contextlib.suppress(Exception):  # a model of the user's own class cannot be cloned
        return keras.models.clone_model(model, clone_function=convert)
    return model
