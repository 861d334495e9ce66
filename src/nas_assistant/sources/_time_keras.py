"""In the child: the latency of a Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_assistant.sources._timing import load_reference, time_in_turn


def time_model(model: Any, batch: Any, job: dict[str, Any]) -> list[list[float]]:
    """Seconds of every repeat, of the model and then of the reference, if there is one.

    The models are compiled to a ``tf.function``, as ``predict`` does it.

    Args:
        model: A Keras model.
        batch: Example input; its samples are repeated to make a batch of the size asked for.
        job: With ``time``.

    Raises:
        JobFailure: A model does not run on such a batch.
    """
    count = job["time"]["batch"]
    sample = keras.tree.map_structure(
        lambda array: tf.constant(np.resize(array, (count, *array.shape[1:]))), batch
    )
    models = [model] if (other := load_reference(job)) is None else [model, other]
    return time_in_turn([_compiled(part, sample) for part in models], job)


def _compiled(model: Any, sample: Any) -> Callable[[], Any]:
    run = tf.function(lambda values: model(values))
    return lambda: run(sample)
