"""In the child: zero-cost scores of the model that was built."""

from __future__ import annotations

from typing import Any


def score_model(model: Any, job: dict[str, Any], input_shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Scores as JSON data, on a minibatch of the job's data where it has any.

    Args:
        model: An ``nn.Module`` or a ``keras.Model``.
        job: With ``proxies``: ``{"names", "batch"}``.
        input_shape: Of one sample, channels first.

    Raises:
        JobFailure: There is no data to read.
    """
    from nas_assistant.proxies import score
    from nas_assistant.sources._minibatch import load_minibatch

    asked, inputs, labels = job["proxies"], None, None
    if job.get("data"):
        batch = load_minibatch(job["data"], asked["batch"], job["seed"])
        inputs, labels = batch.example.channels_first(), batch.labels
    scores = score(model, inputs, labels, proxies=asked["names"], seed=job["seed"], input_shape=input_shape)
    return [found.to_json() for found in scores]
