"""In the child: runs a Keras model on an example batch and reads its graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.graphs import read_keras, record_creation
from nas_assistant.graphs.keras_layers import reads_channels_last, reads_tokens
from nas_assistant.sources._example import IMAGE_CHANNELS, Example, shape_text, to_channels_first
from nas_assistant.sources._inputs import check_one_input
from nas_assistant.sources._load import JobFailure, forbidden, one_line, out_of_memory, user_line
from nas_assistant.sources._score import score_model

BATCH = 2
_DEFAULT = (32, 32, 3)
_SIDE = 32
_ONE_INPUT = (
    "wrap it in a class whose call takes one, or in a keras.Model of keras.Input layers, which may have "
    "several, and name that with --entry"
)


def warm_up() -> None:
    """Import in the worker what every job needs. TensorFlow's runtime must start after the fork."""
    keras.config.disable_traceback_filtering()  # the frames tell the user's line


def follow_format(model: Any) -> None:
    """Make the format of a model's layers Keras's own, which all in this process goes by."""
    if not reads_channels_last(model):
        keras.config.set_image_data_format("channels_first")


def run(model: Any, job: dict[str, Any], example: Example | None, notes: list[str]) -> dict[str, Any]:
    """Forward in inference mode, one training step, and the graph.

    Raises:
        JobFailure: The model does not run or does not train on the example.
    """
    path = Path(job["path"])
    follow_format(model)
    check_one_input(model, model.call, path, _ONE_INPUT, given="training")
    with record_creation():  # of layers that build() makes
        batch = _choose_batch(model, job, example, notes, path)
    if job.get("train", True):
        _train_step(model, batch, path)
    shapes = [_outward(tuple(array.shape[1:])) for array in keras.tree.flatten(batch)]
    try:
        graph = read_keras(model, shapes if len(shapes) > 1 else shapes[0])  # type: ignore[arg-type]
    except UserError as error:
        raise run_failure(error, path, batch, "the forward pass") from error
    answer: dict[str, Any] = {"graph": graph.to_json(), "framework": "keras"}
    if job.get("time") and job["time"]["runtime"] == "framework":
        from nas_assistant.sources._time_keras import time_model

        answer["time"] = time_model(model, batch, job)
    if job.get("proxies"):
        answer["proxies"] = score_model(
            model, job, graph.input_shape, tokens=_first(batch).dtype.kind in "iu", notes=notes
        )
    return answer


def _choose_batch(
    model: Any, job: dict[str, Any], example: Example | None, notes: list[str], path: Path
) -> Any:
    given = tuple(job["input_shape"]) if job["input_shape"] else None
    if declared := _declared(model):
        return _declared_batch(model, declared, given, example, notes, path)
    if example is not None:
        return _forward(model, _values(example), path)
    if given:
        return _forward(model, _filled(model, _in_model_order(given), reads_tokens(model)), path)
    return _try_likely(model, notes, path)


def _declared_batch(
    model: Any,
    declared: list[Any],
    given: tuple[int, ...] | None,
    example: Example | None,
    notes: list[str],
    path: Path,
) -> Any:
    """A batch for a model whose own Input layers say what it takes."""
    values = None if example is None else _values(example)
    default = _in_model_order(given) if given else next(_likely_shapes())
    hint = default if values is None else tuple(values.shape[1:])
    batches = []
    for tensor in declared:
        own = tuple(tensor.shape[1:])
        fill = hint if len(hint) == len(own) else (_SIDE,) * len(own)
        shape = tuple(f if size is None else int(size) for size, f in zip(own, fill, strict=True))
        integer = np.issubdtype(np.dtype(tensor.dtype), np.integer)
        batches.append(_filled(model, shape, integer))
    if values is not None and len(batches) == 1 and values.shape[1:] == batches[0].shape[1:]:
        return _forward(model, values, path)
    shapes = "; ".join(_text(batch.shape[1:]) for batch in batches)
    if values is not None or (given and tuple(batches[0].shape[1:]) != hint):
        notes.append(f"the model's own Input layer sets the input shape: {shapes}, not {_text(hint)}")
    elif not given:
        notes.append(f"input shape {shapes} (from the model's Input layer)")
    structure = getattr(model, "_inputs_struct", None)
    if structure is not None:
        return _forward(model, keras.tree.pack_sequence_as(structure, batches), path)
    return _forward(model, batches[0] if len(batches) == 1 else batches, path)


def _values(example: Example) -> np.ndarray[Any, Any]:
    return example.as_channels_last() if is_channels_last() else example.channels_first()


def _try_likely(model: Any, notes: list[str], path: Path) -> Any:
    first: JobFailure | None = None
    likely = [(shape, False) for shape in _likely_shapes()]
    if reads_tokens(model):
        likely = [((16,), True), ((128,), True), *likely]
    for shape, tokens in likely:
        try:
            batch = _forward(model, _filled(model, shape, tokens), path)
        except JobFailure as failure:
            if failure.failure.kind is not FailureKind.SHAPE:
                raise
            first = first or failure
            continue
        text = _text(shape)
        why = "the default" if first is None else "the first that fits the model"
        notes.append(f"input shape {text} ({why}); set --input-shape or --data for another")
        return batch
    assert first is not None
    raise first


def _likely_shapes() -> Iterator[tuple[int, ...]]:
    for shape in (_DEFAULT, (28, 28, 1), (224, 224, 3)):
        yield shape if is_channels_last() else (shape[2], *shape[:2])
    yield from ((784,), (64,), (16, 16))


def _forward(model: Any, batch: Any, path: Path) -> Any:
    try:
        model(batch, training=False)
    except TypeError as error:
        if "training" not in str(error):
            raise run_failure(error, path, batch, "the forward pass") from error
        _forward_plain(model, batch, path)
    except Exception as error:
        raise run_failure(error, path, batch, "the forward pass") from error
    return batch


def _forward_plain(model: Any, batch: Any, path: Path) -> None:
    try:
        model(batch)
    except Exception as error:
        raise run_failure(error, path, batch, "the forward pass") from error


def _train_step(model: Any, batch: Any, path: Path) -> None:
    variables = model.trainable_variables
    if not variables:
        return
    try:
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(model(batch, training=True))
            loss = tf.add_n([tf.reduce_mean(tf.cast(output, tf.float32)) for output in outputs])
        gradients = tape.gradient(loss, [getattr(variable, "value", variable) for variable in variables])
    except Exception as error:
        raise run_failure(error, path, batch, "a training step") from error
    if all(gradient is None for gradient in gradients):
        message = f"{path.name}: cannot be trained: no gradient reaches the weights from the output"
        raise JobFailure(FailureKind.SHAPE, message)


def run_failure(error: BaseException, path: Path, batch: Any, what: str) -> JobFailure:
    """What an error of the user's model, run on a batch, is told as; ``what`` is what was done with it."""
    cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
    line = user_line(cause, path)
    place = f"{path.name}:{line}" if line else path.name
    if out_of_memory(cause):
        return JobFailure(FailureKind.TIMEOUT, f"{place}: {what} needs more memory than the limit", line)
    if forbidden(cause):
        message = f"{place}: {what} does what the sandbox forbids: {one_line(cause)}"
        return JobFailure(FailureKind.IMPORT, message, line)
    shape = _text(_first(batch).shape[1:])
    text = f"{type(cause).__name__}: {one_line(cause)}"
    remedy = "--input-shape (channels first) or --data gives another"
    message = f"{place}: {what} fails on an input of shape {shape}: {text}; {remedy}"
    return JobFailure(FailureKind.SHAPE, message, line)


def _declared(model: Any) -> list[Any]:
    """Input tensors of a functional model, or of a Sequential that begins with an Input."""
    try:
        return list(model.inputs or [])
    except (AttributeError, ValueError):
        return []


def _in_model_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``C, H, W`` as ``H, W, C``; left alone when it is written so already."""
    if len(shape) not in (3, 4) or not is_channels_last():
        return shape
    if shape[0] not in IMAGE_CHANNELS and shape[-1] in IMAGE_CHANNELS:
        return shape
    return (*shape[1:], shape[0])


def _outward(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of the model's as everything outside Keras has it: channels first."""
    return to_channels_first(shape) if is_channels_last() else shape


def _text(shape: tuple[int, ...]) -> str:
    return shape_text(_outward(shape))


def is_channels_last() -> bool:
    """Whether Keras takes and gives images with their channels last."""
    return bool(keras.config.image_data_format() == "channels_last")


def _filled(model: Any, shape: tuple[int, ...], integer: bool) -> np.ndarray[Any, Any]:
    """Noise, or the token 1 where every embedding has it: a mask leaves nothing of the padding 0."""
    if integer:
        tables = (part for part in model._flatten_layers() if isinstance(part, keras.layers.Embedding))
        token = int(all(table.input_dim > 1 for table in tables))
        return np.full((BATCH, *shape), token, dtype=np.int32)
    return np.random.default_rng(0).standard_normal((BATCH, *shape)).astype(np.float32)


def _first(batch: Any) -> np.ndarray[Any, Any]:
    value: np.ndarray[Any, Any] = keras.tree.flatten(batch)[0]
    return value
