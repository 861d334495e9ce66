"""Measures the latency of a model on this machine, in the sandbox."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from nas_assistant.errors import Failure, FailureKind, MissingExtraError, ModelError, UserError
from nas_assistant.sources._inspect import Inspection, run_model
from nas_assistant.sources._limits import MIB, Limits
from nas_assistant.sources._sandbox import Sandbox

RUNTIMES = ("framework", "onnxruntime")
_BLOCKS = 10
_CONFIDENCE = 0.95
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Timing:
    """How latency is measured.

    Attributes:
        batch: Samples of one forward pass.
        threads: Threads that the framework may use.
        runtime: ``framework`` (PyTorch as it is, Keras as a ``tf.function``) or ``onnxruntime``.
        seconds: Time for the repeats, after a warm-up.
    """

    batch: int = 1
    threads: int = 1
    runtime: str = "framework"
    seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("batch", "threads"):
            if not 1 <= getattr(self, name) <= _MOST:
                raise UserError(f"the latency's {name} {getattr(self, name)}: give 1 to {_MOST}")
        if self.runtime not in RUNTIMES:
            raise UserError(f"runtime {self.runtime!r}: choose {' or '.join(RUNTIMES)}")
        if not 0 < self.seconds <= 600:
            raise UserError(f"{self.seconds:g} seconds of repeats: give more than 0, at most 600")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one forward pass takes.

    Attributes:
        seconds: Median of the repeats.
        low: Low end of its 95 % interval.
        high: High end.
        repeats: How often it ran.
        factor: Against a reference that took turns with it: median, low and high end of the ratio, or None.
    """

    seconds: float
    low: float
    high: float
    repeats: int
    factor: tuple[float, float, float] | None = None


def measure_latency(
    path: str | Path,
    *,
    entry: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    data: str | None = None,
    source: str | None = None,
    reference: str | None = None,
    timing: Timing | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
) -> tuple[Inspection, Latency]:
    """Build a model in the sandbox and time its forward pass.

    Args:
        path: A Python file.
        entry: See :func:`inspect_model`, like the arguments that follow.
        input_shape: Likewise.
        data: Likewise.
        source: Likewise.
        reference: Source of another version of the file to take turns with.
        timing: How to measure.
        sandbox: See :func:`inspect_model`.
        limits: Likewise, beside the time for the repeats.

    Returns:
        The model as it was built, and its latency.

    Raises:
        MissingExtraError: The runtime is not installed.
        ModelError: The model cannot be built, run or timed.
        UserError: An option is at fault, or the runtime does not take the model.
    """
    timing, path = timing or Timing(), Path(path)
    if timing.runtime == "onnxruntime":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(package, "runtime", "Timing a model in ONNX Runtime")
    limits = limits or (sandbox.limits if sandbox is not None else Limits())
    limits = dataclasses.replace(
        limits, seconds=limits.seconds + 10 * timing.seconds, file_bytes=max(limits.file_bytes, 1024 * MIB)
    )
    inspection, result = run_model(
        path,
        entry=entry,
        input_shape=input_shape,
        data=data,
        source=source,
        sandbox=sandbox,
        limits=limits,
        train=False,
        time={**dataclasses.asdict(timing), "reference": reference},
    )
    if inspection.framework != "torch" and timing.runtime == "onnxruntime":
        raise UserError(
            f"{path}: a {inspection.framework} model cannot be timed in ONNX Runtime here: only PyTorch "
            "models can"
        )
    return inspection, _read(result.get("time"), path, 1 if reference is None else 2)


def summarise(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its 95 % interval by batch means.

    The repeats are cut into ten blocks in their order, fewer than ten repeats into blocks of one, and the
    interval comes from the spread of the blocks' medians, so that a drift slower than one repeat widens it.
    """
    middle = statistics.median(values)
    blocks = min(_BLOCKS, len(values))
    if blocks < 2:
        return middle, middle, middle
    medians = [float(np.median(block)) for block in np.array_split(values, blocks)]
    spread = statistics.stdev(medians)
    # The median of all varies more than the mean of the blocks' medians, most where the blocks are short.
    spread *= math.sqrt(_median_variance(len(values)) / _median_variance(len(values) / blocks))
    half = spread * float(stdtrit(blocks - 1, (1 + _CONFIDENCE) / 2))
    return middle, max(middle - half, 0.0), middle + half


def _median_variance(count: float) -> float:
    """Variance of the median of ``count`` standard normal values, nearly: exact for 1 and for many."""
    return math.pi / (2 * count + math.pi - 2)


def _read(seconds: Any, path: Path, count: int) -> Latency:
    try:
        if len(seconds) != count or not all(len(part) == len(seconds[0]) for part in seconds):
            raise ValueError("another number of repeats")
        values = [[float(value) for value in part] for part in seconds]
        if not all(math.isfinite(value) and value > 0 for part in values for value in part):
            raise ValueError("not a time")
        factor = summarise([own / other for own, other in zip(*values, strict=True)]) if count == 2 else None
        return Latency(*summarise(values[0]), len(values[0]), factor)
    except (TypeError, ValueError, statistics.StatisticsError) as error:
        message = f"{path.name}: the sandbox handed back something that is not a latency ({error})"
        raise ModelError(Failure(FailureKind.IMPORT, message)) from error
