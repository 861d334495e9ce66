"""In the child: the latency of a PyTorch model, as it is or in ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.graphs import write_onnx
from nas_assistant.sources._load import JobFailure, one_line
from nas_assistant.sources._timing import load_reference, time_in_turn


def time_model(model: nn.Module, batch: torch.Tensor, job: dict[str, Any]) -> list[list[float]]:
    """Seconds of every repeat, of the model and then of the reference, if there is one.

    Args:
        model: In evaluation mode.
        batch: Example input; its samples are repeated to make a batch of the size asked for.
        job: With ``time``.

    Raises:
        JobFailure: A model does not run on such a batch, or cannot be exported.
    """
    spec = job["time"]
    torch.set_num_threads(spec["threads"])
    times = -(-spec["batch"] // len(batch))
    sample = batch.repeat(times, *[1] * (batch.ndim - 1))[: spec["batch"]]
    models = [model] if (other := load_reference(job)) is None else [model, other.eval()]
    make = _in_onnx_runtime if spec["runtime"] == "onnxruntime" else _eager
    with torch.inference_mode():
        return time_in_turn([make(part, sample, job) for part in models], job)


def _eager(model: nn.Module, sample: torch.Tensor, job: dict[str, Any]) -> Callable[[], Any]:
    return lambda: model(sample)


def _in_onnx_runtime(model: nn.Module, sample: torch.Tensor, job: dict[str, Any]) -> Callable[[], Any]:
    import onnxruntime

    file = Path(tempfile.mkdtemp()) / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["time"]["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        with torch.inference_mode(False):
            write_onnx(model, sample.clone(), file)
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except (UserError, RuntimeError) as error:
        message = f"{Path(job['path']).name}: cannot be run in ONNX Runtime: {one_line(error)}"
        raise JobFailure(FailureKind.IMPORT, message) from error
    feed = {session.get_inputs()[0].name: sample.numpy()}
    return lambda: session.run(None, feed)
