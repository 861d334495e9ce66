"""The parent's side of the sandbox: a worker process that runs each job in a locked-down fork."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas_assistant.errors import MissingExtraError, UserError
from nas_assistant.sources._limits import Limits
from nas_assistant.sources._watch import Outcome

_FRAMEWORKS = ("torch", "keras", "tensorflow")
_START_SECONDS = 300.0
_GRACE_SECONDS = 15.0
_FAREWELL_SECONDS = 1.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH")
_HEADER_BYTES = 1 << 20


class Sandbox:
    """A warm worker for one framework. It starts with the first job.

    The worker imports the framework once and forks one locked-down child a job; user code runs in the child
    alone. One job runs at a time; the object may be shared between threads.

    What the child may do is the system's to enforce (see :func:`sandbox_features`). What it answers is not
    trusted: code that is out to deceive can describe another model than its own, and no more than that.

    Args:
        framework: ``torch`` or ``keras`` (``tensorflow`` is the same).
        limits: What one job may use.

    Example:
        >>> with Sandbox("torch") as sandbox:
        ...     inspect_model("model.py", sandbox=sandbox)
    """

    def __init__(self, framework: str = "torch", limits: Limits | None = None) -> None:
        if framework not in _FRAMEWORKS:
            raise ValueError(f"no sandbox for {framework!r}: choose one of {', '.join(_FRAMEWORKS)}")
        self.framework = "keras" if framework == "tensorflow" else framework
        self.limits = limits or Limits()
        self._worker: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._pending = bytearray()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the worker ahead of the first job.

        Raises:
            UserError: The framework is not installed or cannot be imported, or the sandbox is closed.
        """
        with self._lock:
            self._start()

    def run(
        self,
        job: Mapping[str, Any],
        limits: Limits | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Run one job in a fresh locked-down process.

        Args:
            job: JSON data; ``readable`` and ``listable`` name the files and folders that it may see.
            limits: For this job; the sandbox's own by default.
            heard: Called with what the job tells before it answers, untrusted. An exception ends the job.
        """
        limits = limits or self.limits
        line = json.dumps({**job, "limits": dataclasses.asdict(limits)}).encode() + b"\n"
        with self._lock:
            try:
                self._start()
                self._write(line)
                deadline = time.monotonic() + limits.seconds + _GRACE_SECONDS
                while True:
                    header = self._read_header(deadline)
                    answer = self._read_bytes(int(header["bytes"]), time.monotonic() + _GRACE_SECONDS)
                    if "told" not in header:
                        break
                    if heard is not None:
                        heard(answer)
            except _Lost:
                self._close()
                return Outcome("exit", detail="the sandbox's worker ended")
            except BaseException:
                self._close()  # an answer may still be under way: the next job needs a fresh worker
                raise
            return Outcome(header["status"], answer, header["output"], header["detail"])

    def close(self) -> None:
        """End the worker and everything that it started, and remove its files; it does not start again."""
        self._closed = True
        with self._lock:
            self._close()

    def abort(self) -> None:
        """End the job at work, from another thread; its :meth:`run` returns."""
        worker = self._worker
        if worker is not None and worker.stdin is not None:
            with contextlib.suppress(OSError):
                worker.stdin.close()

    def _start(self) -> None:
        if self._worker is not None and self._worker.poll() is None:
            return
        self._close()
        if self._closed:
            raise UserError("the sandbox is closed")
        if not hasattr(os, "fork"):
            raise UserError("models can only be built on Linux and macOS: this system cannot sandbox them")
        self._folder = Path(tempfile.mkdtemp(prefix="nas-assistant-"))
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "nas_assistant.sources._worker", self.framework, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(self._folder),
            cwd=self._folder,
            start_new_session=True,  # Ctrl-C is ours to handle
            bufsize=0,
        )
        self._pending = bytearray()
        try:
            header = self._read_header(time.monotonic() + _START_SECONDS)
        except _Lost:
            self._close()
            raise UserError(
                f"the sandbox cannot start: importing {self.framework} ended the process"
            ) from None
        if "missing" in header:
            self._close()
            package = str(header["missing"]).partition(".")[0]
            raise MissingExtraError(package, _extra(package), f"A {self.framework} model")
        if "error" in header:
            self._close()
            raise UserError(f"the sandbox cannot start: {header['error']}")

    def _close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            if worker.stdin is not None:
                with contextlib.suppress(OSError):
                    worker.stdin.close()
            try:
                worker.wait(_FAREWELL_SECONDS)  # with its input closed it ends its child and goes
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _write(self, data: bytes) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._worker.stdin.write(view) or 0 :]
        except (OSError, ValueError):  # gone, or closed by abort()
            raise _Lost from None

    def _read_header(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._pending:
            if len(self._pending) > _HEADER_BYTES:
                raise _Lost
            self._receive(deadline)
        line, _, rest = self._pending.partition(b"\n")
        self._pending = rest
        header: dict[str, Any] = json.loads(line)
        return header

    def _read_bytes(self, count: int, deadline: float) -> bytes:
        while len(self._pending) < count:
            self._receive(deadline)
        data = bytes(self._pending[:count])
        del self._pending[:count]
        return data

    def _receive(self, deadline: float) -> None:
        assert self._worker is not None and self._worker.stdout is not None
        channel = self._worker.stdout.fileno()
        waiting = select.poll()
        waiting.register(channel, select.POLLIN)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise _Lost
        data = os.read(channel, 1 << 20)
        if not data:
            raise _Lost
        self._pending += data


class _Lost(Exception):
    """The worker is gone or does not answer."""


def _extra(package: str) -> str:
    return {"keras": "tensorflow", "tensorflow": "tensorflow", "onnx": "onnx"}.get(package, "all")


def environment(folder: Path) -> dict[str, str]:
    """What the worker and the user's code see of the environment: nothing that could be a secret."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    root = str(Path(__file__).resolve().parents[2])
    if "site-packages" not in root:
        paths.append(root)
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in paths)
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return (
        environment
        | dict.fromkeys((*threads, "TF_NUM_INTEROP_THREADS"), "1")
        | {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
            "MALLOC_ARENA_MAX": "2",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "PYTORCH_JIT": "0",  # what it compiles cannot be read; the model is the same without
            "TORCHDYNAMO_DISABLE": "1",  # a compiler starts processes; the model is the same without
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
    )
