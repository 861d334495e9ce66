"""In the child: zero-cost scores of the model that was built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.sources._load import JobFailure


def score_model(model: Any, job: dict[str, Any], input_shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Scores as JSON data, on a minibatch of the job's data where it has any.

    Args:
        model: An ``nn.Module`` or a ``keras.Model``.
        job: With ``proxies``: ``{"names", "batch"}``.
        input_shape: Of one sample, channels first.

    Raises:
        JobFailure: There is no data to read, or it does not fit the model.
    """
    from nas_assistant.proxies import score
    from nas_assistant.sources._minibatch import load_minibatch

    asked, inputs, labels = job["proxies"], None, None
    if job.get("data"):
        batch = load_minibatch(job["data"], asked["batch"], job["seed"])
        inputs, labels = batch.example.channels_first(), batch.labels
    names, seed = asked["names"], job["seed"]
    try:
        scores = score(model, inputs, labels, proxies=names, seed=seed, input_shape=input_shape)
    except UserError as error:
        raise JobFailure(FailureKind.SHAPE, f"{Path(job['path']).name}: {error}") from error
    return [found.to_json() for found in scores]
