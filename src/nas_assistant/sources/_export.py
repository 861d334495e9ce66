"""Exports the model of a file to ONNX, in the sandbox."""

from __future__ import annotations

import base64
import dataclasses
import importlib.util
from pathlib import Path

from nas_assistant._files import replacing
from nas_assistant.errors import MissingExtraError, UserError
from nas_assistant.graphs import GRAPH_SUFFIXES
from nas_assistant.sources._inspect import Inspection, run_model
from nas_assistant.sources._limits import MIB, Limits

_ANSWER_BYTES = 1024 * MIB
_SECONDS = 300.0


def export_onnx(
    path: str | Path,
    out: str | Path,
    *,
    entry: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    data: str | None = None,
) -> Inspection:
    """Build the PyTorch model of a file in the sandbox and write it, with its weights, as an ONNX file.

    Args:
        path: A Python file.
        out: Where to write; replaced as a whole or not at all.
        entry: See :func:`inspect_model`, like the arguments that follow.
        input_shape: Likewise.
        data: Likewise.

    Raises:
        MissingExtraError: The extra ``onnx`` is not installed.
        ModelError: The model cannot be built, run or exported.
        UserError: It is no PyTorch model, or the file cannot be written.
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx", "Writing an ONNX file")
    path, out = Path(path), Path(out)
    if path.suffix in GRAPH_SUFFIXES:
        raise UserError(f"{path}: only the model of a Python file can be written as ONNX")
    limits = dataclasses.replace(
        Limits(), answer_bytes=_ANSWER_BYTES, file_bytes=_ANSWER_BYTES, seconds=_SECONDS
    )
    inspection, result = run_model(
        path, entry=entry, input_shape=input_shape, data=data, limits=limits, onnx=True
    )
    content = result.get("onnx")
    if not isinstance(content, str):
        raise UserError(
            f"{path}: a {inspection.framework} model cannot be written as ONNX here: only PyTorch models can"
        )
    try:
        with replacing(out) as partial:
            partial.write_bytes(base64.b64decode(content, validate=True))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
    return inspection
