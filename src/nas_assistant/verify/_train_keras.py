"""In the child: one step of a Keras model, its scores and its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_assistant.sources.run_keras import follow_format, is_channels_last, run_failure
from nas_assistant.verify._batches import Array, Samples
from nas_assistant.verify._loop import Trainee, check_scores, output_kind

_TINY = 1e-12


def make(model: Any, job: dict[str, Any], samples: Samples) -> KerasTrainee:
    """Run a model once and give it an optimiser.

    Raises:
        JobFailure: It does not run, or is no classifier of this data.
    """
    follow_format(model)
    x = _in_order(samples.scaled(samples.val_x[:2]))
    path = Path(job["path"])
    try:
        scores = _scores(model(x, training=False)).numpy()
        before = [variable.numpy() for variable in model.variables]
        # in evaluation mode some models end in a softmax that training has not
        trained = _scores(model(_in_order(samples.scaled(samples.train_x[:2])), training=True)).numpy()
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
    except Exception as error:
        raise run_failure(error, path, x, "the forward pass") from error
    check_scores(tuple(scores.shape), job)
    return KerasTrainee(model, output_kind(trained.astype(np.float64)), job["recipe"], path)


class KerasTrainee(Trainee):
    """A Keras model under AdamW."""

    def __init__(self, model: Any, kind: str, recipe: dict[str, Any], path: Path) -> None:
        self._model, self._kind, self._path = model, kind, path
        self._optimizer = keras.optimizers.AdamW(1.0, weight_decay=recipe["weight_decay"], epsilon=1e-8)
        trained = model.trainable_variables
        # biases and the scales of normalisation are not decayed
        self._optimizer.exclude_from_weight_decay([v for v in trained if len(v.shape) <= 1])
        self._optimizer.build(trained)
        self._step, self._forward = tf.function(self._train), tf.function(self._predict)

    def _train(self, x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            scores = _scores(self._model(x, training=True))
            if self._kind == "probabilities":
                scores = tf.math.log(scores + _TINY)
            if self._kind == "logits":
                scores = tf.nn.log_softmax(scores)
            loss = -tf.reduce_mean(tf.gather(scores, y, axis=1, batch_dims=1))
            total = tf.add_n([loss, *self._model.losses])  # the regularisers that the user wrote
        variables = self._model.trainable_variables
        gradients = tape.gradient(total, [v.value for v in variables])
        given = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        self._optimizer.apply_gradients(given)
        return loss

    def _predict(self, x: Any) -> Any:
        return _scores(self._model(x, training=False))

    def step(self, x: Array, y: Array, rate: float) -> float:
        """One step at a learning rate; gives the loss."""
        self._optimizer.learning_rate = rate
        batch = _in_order(x)
        try:
            return float(self._step(tf.constant(batch), tf.constant(y)))
        except Exception as error:
            raise run_failure(error, self._path, batch, "a training step") from error

    def scores(self, x: Array) -> Array:
        """Scores ``(N, classes)`` in evaluation mode."""
        batch = _in_order(x)
        try:
            scores: Array = self._forward(tf.constant(batch)).numpy()
        except Exception as error:
            raise run_failure(error, self._path, batch, "the forward pass") from error
        return scores

    def state(self) -> dict[str, Array]:
        """Variables of the model, those of its random layers included, and of the optimiser."""
        return {name: np.asarray(variable.numpy()) for name, variable in self._variables().items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Take what :meth:`state` gave."""
        own = self._variables()
        for name, array in state.items():
            own[name].assign(array)

    def _variables(self) -> dict[str, Any]:
        groups = {"model": self._model.variables, "optimizer": self._optimizer.variables}
        return {
            f"{group}.{index}": variable
            for group, variables in groups.items()
            for index, variable in enumerate(variables)
        }


def _in_order(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 and is_channels_last() else x


def _scores(output: Any) -> Any:
    """The first tensor that a model gives, without the axes of length 1 behind it."""
    first = tf.nest.flatten(output)[0]
    size = int(np.prod(first.shape[1:]))
    return tf.reshape(first, (-1, size)) if len(first.shape) > 2 and size == first.shape[-1] else first
