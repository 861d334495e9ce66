"""In the child: runs a PyTorch model on an example batch and reads its graph."""

from __future__ import annotations

import base64
import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.graphs import read_torch, write_onnx
from nas_assistant.sources._arguments import defined_line
from nas_assistant.sources._example import Example, shape_text
from nas_assistant.sources._in_place import REMEDY as IN_PLACE
from nas_assistant.sources._in_place import is_in_place, line_of_gradient
from nas_assistant.sources._inputs import check_one_input
from nas_assistant.sources._load import JobFailure, forbidden, one_line, out_of_memory, user_line
from nas_assistant.sources._score import score_model

BATCH = 2
_REMEDY = "; --input-shape or --data gives another"
_DEFAULT = (3, 32, 32)
_TOKENS = 16
_SIZES = (32, 224, 28, 64, 96, 128, 256, 299)
_GREY_SIZES = (28, 32, 64, 224, 8)


def warm_up() -> None:
    """Do in the worker once, with a network of ours, what every job would do for the first time.

    No backward pass: where there is an accelerator, it would start threads, which a fork does not survive.
    """
    torch.set_num_threads(1)
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(1, 1))
    read_torch(network.eval(), torch.zeros(BATCH, 1, 1, 1)).to_json()


def run(model: nn.Module, job: dict[str, Any], example: Example | None, notes: list[str]) -> dict[str, Any]:
    """Forward in evaluation mode, one training step, and the graph.

    Raises:
        JobFailure: The model does not run or does not train on the example.
    """
    path = Path(job["path"])
    model = unwrapped(model).eval()
    check_one_input(model, model.forward, path, _one_input(model, path))
    batch = _choose_batch(model, job, example, notes, path)
    try:
        graph = read_torch(model, batch)
    except UserError as error:
        raise run_failure(error, path, batch, "the forward pass") from error
    if job.get("train", True):
        _train_step(model, batch, path)
    answer: dict[str, Any] = {"graph": graph.to_json(), "framework": "torch"}
    if job.get("proxies"):
        answer["proxies"] = score_model(
            model, job, graph.input_shape, tokens=not batch.is_floating_point(), notes=notes
        )
    if job.get("onnx"):
        answer["onnx"] = _exported(model, batch, path)
    if job.get("time"):
        from nas_assistant.sources._time_torch import time_model

        answer["time"] = time_model(model, batch, job)
    return answer


def _exported(model: nn.Module, batch: torch.Tensor, path: Path) -> str:
    """The model as an ONNX file, in base 64."""
    file = Path(tempfile.mkdtemp()) / "model.onnx"
    try:
        write_onnx(model, batch, file)
    except UserError as error:
        raise JobFailure(FailureKind.IMPORT, f"{path.name}: {one_line(error)}") from error
    return base64.b64encode(file.read_bytes()).decode()


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside ``torch.compile`` or ``DataParallel``."""
    for name, kind in (("_orig_mod", nn.Module), ("module", nn.DataParallel)):
        inner = getattr(model, name, None)
        if isinstance(inner, nn.Module) and isinstance(model, kind):
            return unwrapped(inner)
    return model


def _choose_batch(
    model: nn.Module, job: dict[str, Any], example: Example | None, notes: list[str], path: Path
) -> torch.Tensor:
    if example is not None:
        batch = torch.from_numpy(example.channels_first())
        _forward(model, batch, path, _misfit(model, batch))
        return batch
    if job["input_shape"]:
        return _first_that_runs(model, [tuple(job["input_shape"])], path)
    batch = _first_that_runs(model, list(dict.fromkeys(_likely_shapes(model))), path)
    shape = tuple(batch.shape[1:])
    what = "input shape" if batch.is_floating_point() else "integer tokens of shape"
    why = "the default" if shape == _DEFAULT else "the first that fits the model"
    notes.append(f"{what} {shape_text(shape)} ({why}); set --input-shape or --data for another")
    return batch


def _first_that_runs(model: nn.Module, shapes: Sequence[tuple[int, ...]], path: Path) -> torch.Tensor:
    """The first batch that the model runs on.

    Noise, or where it begins with an embedding whole numbers: as integers, then as floats, which some models
    take apart and cast themselves.
    """
    token = _token(model) if _reads_tokens(model) else None
    failures: dict[torch.dtype, tuple[torch.Tensor, JobFailure]] = {}
    for kind in (torch.float,) if token is None else (torch.long, torch.float):
        for shape in shapes:
            size = (BATCH, *shape)
            batch = torch.randn(size) if token is None else torch.full(size, token, dtype=kind)
            try:
                _forward(model, batch, path, _remedy(model, shape))
            except JobFailure as failure:
                if failure.failure.kind is not FailureKind.SHAPE:
                    raise
                failures.setdefault(kind, (batch, failure))
            else:
                return batch
    (batch, first), *others = failures.values()
    error = first.__cause__
    if not others or error is None:
        raise first
    also = f"; floats fail too: {one_line(others[0][1].__cause__ or others[0][1])}{_REMEDY}"
    raise run_failure(error, path, batch, "the forward pass", also) from error


def _remedy(model: nn.Module, shape: tuple[int, ...]) -> str:
    """What to do where a shape does not run: turn it round where its channels are last."""
    layer = _first_layer(model)
    if not isinstance(layer, nn.modules.conv._ConvNd) or len(shape) != len(layer.kernel_size) + 1:
        return _REMEDY
    turned = shape_text((shape[-1], *shape[:-1]))
    last = shape[-1] == layer.in_channels != shape[0]
    return f"; channels come first: --input-shape {turned}" if last else _REMEDY


def _token(model: nn.Module) -> int:
    """A number that every embedding has and none takes for padding, which a mask would leave nothing of."""
    tables = [part for part in model.modules() if isinstance(part, nn.Embedding)]
    padding = {0, *(table.padding_idx for table in tables)}
    fitting = range(min(table.num_embeddings for table in tables))
    return next((number for number in fitting if number not in padding), 0)


def _misfit(model: nn.Module, batch: torch.Tensor) -> str:
    """What to say where a batch of the user's data does not run through the model."""
    layer, channels = _first_layer(model), batch.shape[1] if batch.dim() == 4 else 0
    what = "the data have this shape"
    if channels and isinstance(layer, nn.Conv2d) and layer.in_channels not in (0, channels):
        what = f"the model takes {layer.in_channels} channels, the data have {channels}"
    return f"; {what}: give --entry or --data so that they fit"


def _forward(model: nn.Module, batch: torch.Tensor, path: Path, remedy: str = _REMEDY) -> None:
    try:
        with torch.no_grad():
            output = model(batch)
    except Exception as error:
        raise run_failure(error, path, batch, "the forward pass", remedy) from error
    if not tensors_in(output):
        message = f"{path.name}: the forward pass returns {type(output).__name__}, not a tensor"
        raise JobFailure(FailureKind.SHAPE, message)


def _train_step(model: nn.Module, batch: torch.Tensor, path: Path) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return
    model.train()

    def step() -> None:
        tensors = [t for t in tensors_in(model(batch)) if t.is_floating_point() and t.requires_grad]
        if not tensors:
            line = defined_line(type(model).forward, path)
            place = f"{path.name}:{line}" if line else path.name
            message = f"{place}: cannot be trained: no gradient reaches the parameters from the output"
            raise JobFailure(FailureKind.SHAPE, message, line)
        torch.stack([t.float().mean() for t in tensors]).sum().backward()  # type: ignore[no-untyped-call]

    try:
        step()
    except JobFailure:
        raise
    except Exception as error:
        line = None
        if is_in_place(error) and user_line(error, path) is None:  # it failed on the way back
            line = line_of_gradient(step, path)
        raise run_failure(error, path, batch, "a training step", line=line) from error
    finally:
        model.zero_grad(set_to_none=True)
        model.eval()


def _accepts(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _one_input(model: nn.Module, path: Path) -> str:
    """What to do with a model of several inputs."""
    part = _readable_part(model, path)
    also = f"; --entry {part} reads a part of it" if part else ""
    return f"wrap it in a class whose forward takes one, and name that with --entry{also}"


def _readable_part(model: nn.Module, path: Path) -> str | None:
    """The first class of the file that is a layer of the model and can be built and run as it is."""
    for part in (one for one in model.modules() if type(one) is not type(model)):
        own = defined_line(type(part).forward, path) is not None and type(part).__qualname__.isidentifier()
        if own and _accepts(type(part)) and _accepts(part.forward, None):
            return type(part).__name__
    return None


def run_failure(
    error: BaseException,
    path: Path,
    batch: torch.Tensor,
    what: str,
    remedy: str = _REMEDY,
    line: int | None = None,
) -> JobFailure:
    """What an error of the user's model, run on a batch, is told as; ``what`` is what was done with it."""
    cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
    line = line or user_line(cause, path)
    place = f"{path.name}:{line}" if line else path.name
    if out_of_memory(cause):
        return JobFailure(FailureKind.TIMEOUT, f"{place}: {what} needs more memory than the limit", line)
    if forbidden(cause):
        message = f"{place}: {what} does what the sandbox forbids: {one_line(cause)}"
        return JobFailure(FailureKind.IMPORT, message, line)
    shape = shape_text(tuple(batch.shape[1:]))
    numbers = "an input" if batch.is_floating_point() else "integers"
    text = f"{type(cause).__name__}: {one_line(cause)}"
    if is_in_place(cause):
        text, remedy = text.partition(" Hint: ")[0].rstrip("."), IN_PLACE
    return JobFailure(
        FailureKind.SHAPE, f"{place}: {what} fails on {numbers} of shape {shape}: {text}{remedy}", line
    )


def _first_layer(model: nn.Module) -> nn.Module | None:
    for part in model.modules():
        if isinstance(part, (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding, nn.RNNBase)):
            return part
    return None


def _reads_tokens(model: nn.Module) -> bool:
    return isinstance(_first_layer(model), nn.Embedding)


def _likely_shapes(model: nn.Module) -> Iterator[tuple[int, ...]]:
    layer = _first_layer(model)
    if isinstance(layer, nn.Embedding):
        yield from ((_TOKENS,), (128,), (256,), ())
    elif isinstance(layer, nn.RNNBase):
        yield from ((_TOKENS, layer.input_size), (layer.input_size, 128))  # some turn it round themselves
    elif isinstance(layer, nn.Conv1d):
        yield from ((layer.in_channels, 128), (layer.in_channels, 1024))
    elif isinstance(layer, nn.Conv3d):
        yield from ((layer.in_channels, 16, 32, 32), (layer.in_channels, 16, 112, 112))
    elif isinstance(layer, nn.Linear):
        width = layer.in_features
        for channels, size in ((3, 32), (1, 28), (1, 8), (3, 224), (3, 64)):
            if width == channels * size * size:
                yield (channels, size, size)
        yield from ((width,), (_TOKENS, width))
    channels = layer.in_channels if isinstance(layer, nn.Conv2d) and layer.in_channels > 0 else 3
    if channels == 3:
        yield _DEFAULT
    for size in _GREY_SIZES if channels == 1 else _SIZES:
        yield (channels, size, size)
    yield _DEFAULT
    yield (1, 28, 28)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors of whatever a model gave, in its order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors_in(part)]
    return []
