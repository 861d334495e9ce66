"""Several sandboxes at work at once."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nas_assistant.sources import Sandbox

_Result = TypeVar("_Result")
_MOST_WORKERS = 4


def default_workers() -> int:
    """Sandboxes for this machine: one for each core that this process may use, at most 4."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(_MOST_WORKERS, len(affinity(0)) if affinity else os.cpu_count() or 1)


class SandboxPool:
    """Runs work in whichever sandbox is free.

    Args:
        first: A sandbox to begin with, which stays the caller's.
        workers: How many there may be; the others start when there is work for them.
    """

    def __init__(self, first: Sandbox, workers: int) -> None:
        self._more = [Sandbox(first.framework, first.limits) for _ in range(workers - 1)]
        # The last that became free is the next to be used, so that none starts without need.
        self._free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        for sandbox in (*self._more, first):
            self._free.put(sandbox)
        self._all = (*self._more, first)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")

    def submit(self, work: Callable[[Sandbox], _Result]) -> Future[_Result]:
        """Have work done; it begins in the order in which it was given."""
        return self._threads.submit(self._run, work)

    def close(self) -> None:
        """End all work, done or not, and the further sandboxes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for sandbox in self._all:
            sandbox.abort()
        self._threads.shutdown()
        for sandbox in self._more:
            sandbox.close()

    def _run(self, work: Callable[[Sandbox], _Result]) -> _Result:
        sandbox = self._free.get()
        try:
            return work(sandbox)
        finally:
            self._free.put(sandbox)
