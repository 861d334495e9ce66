"""A language model in a child process, which can be ended at any time."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from nas_assistant.errors import Failure, FailureKind, MissingExtraError, ModelError, UserError
from nas_assistant.generators._base import LimitReached
from nas_assistant.generators._prompts import one_line

# Threads that spin while they wait take the machine from everything else: 30 tokens/s fall to 1. Weights that
# a repository has as pickles alone are not to be had from the hub's converter either.
_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
}
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_START_SECONDS = 600.0
_FAREWELL_SECONDS = 2.0
_MOST_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a model.

    Attributes:
        name: Its name for people.
        package: What it needs.
        extra: The extra that brings that.
        worker: The module that is the child process.
        remedy: What to do about a model that it cannot load.
        reads_ahead: Whether a prompt that was read once is not read again for the next sample.
        log_tells: Whether its log says more of a model that it cannot load than its exception.
    """

    name: str
    package: str
    extra: str
    worker: str
    remedy: str
    reads_ahead: bool
    log_tells: bool


LLAMA_CPP = Engine(
    "llama.cpp",
    "xllamacpp",
    "local",
    "nas_assistant.generators._llama_worker",
    "check that it is a whole GGUF file of a text model, and that the memory suffices",
    reads_ahead=True,
    log_tells=True,
)
TRANSFORMERS = Engine(
    "transformers",
    "transformers",
    "infill",
    "nas_assistant.generators._transformers_worker",
    "check that it is a causal model with a tokenizer.json and *.safetensors, and that the memory suffices",
    reads_ahead=False,
    log_tells=False,
)


class ModelFault(ModelError):
    """The model's process gave no answer; the next question starts another."""


class ModelProcess:
    """The process, started with the first question.

    Args:
        path: The model, for messages.
        engine: What runs it.
        settings: What the child is told first.
        timeout: Seconds that an answer may take.
        clock: Tells the seconds.

    Raises:
        MissingExtraError: The engine is not installed.
    """

    def __init__(
        self,
        path: str,
        engine: Engine,
        settings: dict[str, Any],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if importlib.util.find_spec(engine.package) is None:
            raise MissingExtraError(engine.package, engine.extra, "a local model")
        self.end = math.inf
        self._path, self._engine, self._settings = path, engine, settings
        self._timeout, self._clock = timeout, clock
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: dict[str, Any] = {}
        self._asked = 0
        self._faults = 0

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        return self._process.pid if self._process is not None else None

    def ask(self, body: dict[str, Any]) -> Any:
        """What the child answers to a question, within the timeout and before ``end``.

        Raises:
            LimitReached: ``end`` passed.
            ModelFault: The process ended or took too long.
            UserError: The model cannot be loaded, or the process failed too often.
        """
        self.start()
        self._asked += 1
        self._send({"id": self._asked, "body": body})
        deadline = self._clock() + self._timeout
        while (message := self._receive(deadline)).get("id") != self._asked:
            continue  # the answer to a question that was given up
        return message.get("answer")

    def start(self) -> dict[str, Any]:
        """What the process said when the model was loaded; starts it if there is none.

        Raises:
            UserError: The model cannot be loaded.
        """
        if self._process is not None:
            return self._said
        environment = {
            name: value
            for name, value in os.environ.items()
            if not any(word in name.upper() for word in _SECRETS)
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self._lines = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", self._engine.worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment | _ENVIRONMENT,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the tool, which then ends the process
        )
        threading.Thread(target=_collect, args=(self._process, self._lines), daemon=True).start()
        self._send(self._settings)
        message = self._receive(self._clock() + _START_SECONDS)
        if not message.get("ready"):
            last = self._last_line() if self._engine.log_tells else ""
            told = last or one_line(str(message.get("failed")))
            self.close()
            raise UserError(
                f"{self._path}: {self._engine.name} cannot load it ({told}): {self._engine.remedy}"
            )
        self._said = message
        return message

    def succeeded(self) -> None:
        """Take it that the process works: faults from now on are counted anew."""
        self._faults = 0

    def fault(self, kind: FailureKind, message: str) -> Exception:
        """End the process; the fault, or what to tell the user once it has come too often."""
        self._kill()
        self._faults += 1
        if self._faults >= _MOST_FAULTS:
            return UserError(
                f"{self._path}: {message} ({self._faults} times in a row): check that the memory suffices, "
                "or give the generator a longer timeout"
            )
        return ModelFault(Failure(kind, one_line(message)))

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        # Where the process has gone, the missing answer tells.
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _receive(self, deadline: float) -> dict[str, Any]:
        seconds = min(deadline, self.end) - self._clock()
        try:
            line = self._lines.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            if self._clock() >= self.end:
                self._kill()
                raise LimitReached("seconds") from None
            raise self.fault(
                FailureKind.TIMEOUT, f"the model did not answer within {seconds:.3g} s, and was ended"
            ) from None
        if line is None:
            raise self.fault(FailureKind.PARSE, f"the model's process {self._ending()}")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise self.fault(FailureKind.PARSE, "the model's process broke off within its answer")
        return message

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
        self.close()

    def _ending(self) -> str:
        code = self._process.wait() if self._process is not None else 0
        name = f" {signal.Signals(-code).name}" if -code in signal.valid_signals() else ""
        how = f"was killed (signal {-code}{name})" if code < 0 else f"ended with code {code}"
        line = self._last_line()
        return f"{how} before it answered" + (f": {line}" if line else "")

    def _last_line(self) -> str:
        """The last that the native library logged."""
        if self._log is None or self._log.closed:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._log.tell() - 2000, 0))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return one_line(lines[-1], 200) if lines else ""


def _collect(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Hand on what a process says, and None at its end."""
    with contextlib.suppress(ValueError, OSError):
        for line in process.stdout or ():
            lines.put(line)
    lines.put(None)
