"""PyTorch modules as ONNX files that keep the layers as they are."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas_assistant._files import replacing
from nas_assistant.errors import MissingExtraError, UserError


def write_onnx(module: Any, example_input: Any, path: str | Path) -> None:
    """Export a PyTorch module.

    The exporter's optimiser is left off: it would fold batch normalisations into the convolutions before
    them, and the file would no longer show the network's layers. The file is replaced as a whole or not
    at all, with the weights inside.

    Args:
        module: Any ``torch.nn.Module``; exported in evaluation mode.
        example_input: A tensor with a batch axis first, or a tuple of the forward pass's arguments.
        path: Where to write.

    Raises:
        MissingExtraError: ``onnx`` or ``onnxscript`` is not installed.
        UserError: The module cannot be exported, or the file cannot be written.
    """
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(package, "onnx", "Writing an ONNX file") from error
    import torch

    path = Path(path)
    inputs = tuple(example_input) if isinstance(example_input, (tuple, list)) else (example_input,)
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with _quietly():
            program: Any = torch.onnx.export(module, inputs, dynamo=True, optimize=False, verbose=False)
            # What the optimiser would do, too: a buffer may be called as a node's output is.
            importlib.import_module("onnx_ir.passes.common").NameFixPass()(program.model)
    except Exception as error:
        cause = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"{type(module).__name__} cannot be exported to ONNX: {cause.strip()}") from error
    finally:
        for part, mode in modes:
            part.training = mode
    try:
        with replacing(path) as partial:
            program.save(str(partial), external_data=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """While active, the exporter does not tell which packages it would also know."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
