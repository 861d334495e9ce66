"""In the child: zero-cost scores of the model that was built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.sources._labelled import load_labelled
from nas_assistant.sources._load import JobFailure

Array = np.ndarray[Any, Any]


def load_minibatch(data: dict[str, Any], count: int, seed: int, notes: list[str]) -> tuple[Array, Array]:
    """Labelled samples, as :func:`load_labelled` draws them, and their class numbers.

    Images of files are brought to mean 0 and deviation 1 in each channel, as networks are trained; what a
    Python file yields is what the user trains on.

    Raises:
        JobFailure: There is nothing to read, or it has no class labels.
    """
    found = load_labelled(data, count, seed, notes)
    values = found.values
    if data["kind"] != "python":
        axes = (0, *range(2, values.ndim))
        deviation = np.maximum(values.std(axis=axes, keepdims=True), 1e-6)
        values = (values - values.mean(axis=axes, keepdims=True)) / deviation
    return values.astype(np.float32), found.labels


def score_model(
    model: Any, job: dict[str, Any], input_shape: tuple[int, ...], *, tokens: bool, notes: list[str]
) -> list[dict[str, Any]]:
    """Scores as JSON data, on a minibatch of the job's data where it has any.

    Args:
        model: An ``nn.Module`` or a ``keras.Model``.
        job: With ``proxies``: ``{"names", "batch"}``.
        input_shape: Of one sample, channels first.
        tokens: Whether the model reads whole numbers.
        notes: Receives what to announce.

    Raises:
        JobFailure: There is no data to read, or it does not fit the model.
    """
    from nas_assistant.proxies import score

    asked, inputs, labels = job["proxies"], None, None
    if job.get("data"):
        inputs, labels = load_minibatch(job["data"], asked["batch"], job["seed"], notes)
        inputs = inputs.astype(np.int64) if tokens else inputs
    names, seed = asked["names"], job["seed"]
    try:
        scores = score(
            model, inputs, labels, proxies=names, seed=seed, input_shape=input_shape, tokens=tokens
        )
    except UserError as error:
        raise JobFailure(FailureKind.SHAPE, f"{Path(job['path']).name}: {error}") from error
    return [found.to_json() for found in scores]
