"""In the child: times forward passes, one alone or two in turn."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nas_assistant.errors import FailureKind
from nas_assistant.sources._load import JobFailure, load_module, make_object, one_line

_WARM_UP = 0.2  # of the time for the repeats
_FEWEST, _FEWEST_SLOW = 20, 5
_PATIENCE = 5.0  # as many times the time for the repeats is spent on a slow model
_THREAD_CLOCK = 6  # of one thread, by its scheduler: see clock_getcpuclockid(3)
_TF_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def prepare(job: dict[str, Any]) -> None:
    """Set the number of threads where that must be done before the user's code runs."""
    if job.get("time"):
        os.environ.update(dict.fromkeys(_TF_THREADS, str(job["time"]["threads"])))


def load_reference(job: dict[str, Any]) -> Any:
    """The model to take turns with, or None where the job names none."""
    reference = job["time"]["reference"]
    if reference is None:
        return None
    return make_object(load_module(Path(reference["path"]), reference["source"]), reference["entry"])


def time_in_turn(calls: Sequence[Callable[[], Any]], job: dict[str, Any]) -> list[list[float]]:
    """Seconds of every repeat of every call; they take turns, so that a drift of load or clock meets all.

    With one thread the clock is the processor time of this process's threads: what other processes do with
    the core in between does not count. With more it is the wall clock.

    Raises:
        JobFailure: A call fails.
    """
    spec = job["time"]
    seconds: list[list[float]] = [[] for _ in calls]
    try:
        _run_for(calls, _WARM_UP * spec["seconds"], 3, time.perf_counter, [[] for _ in calls])
        gc.disable()
        clock = processor_clock() if spec["threads"] == 1 else time.perf_counter
        _run_for(calls, spec["seconds"], _FEWEST, clock, seconds)
    except Exception as error:
        message = f"{Path(job['path']).name}: fails on a batch of {spec['batch']}: {one_line(error)}"
        raise JobFailure(FailureKind.SHAPE, message) from error
    finally:
        gc.enable()
    return seconds


def processor_clock() -> Callable[[], float]:
    """A clock of the processor time that this process's present threads use."""
    try:
        # The clock of the whole process moves by ticks where its processor time is limited, as it is here.
        clocks = [(~int(number) << 3) | _THREAD_CLOCK for number in os.listdir("/proc/self/task")]
    except OSError:
        return time.process_time

    def now() -> float:
        total = 0.0
        for clock in clocks:
            with contextlib.suppress(OSError):  # the thread has ended
                total += time.clock_gettime(clock)
        return total

    return now


def _run_for(
    calls: Sequence[Callable[[], Any]],
    budget: float,
    fewest: int,
    clock: Callable[[], float],
    seconds: list[list[float]],
) -> None:
    began = time.perf_counter()
    turn = list(zip(calls, seconds, strict=True))
    while True:
        for call, found in turn:
            start = clock()
            call()
            found.append(clock() - start)
        turn.reverse()  # who goes second finds the caches as another left them
        spent = time.perf_counter() - began
        if spent >= budget and len(seconds[0]) >= (
            fewest if spent < _PATIENCE * budget else min(fewest, _FEWEST_SLOW)
        ):
            return
