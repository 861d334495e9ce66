"""The parent's side of a local model: a child process that runs llama.cpp, and can be ended at any time."""

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
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Any

from nas_assistant.errors import Failure, FailureKind, MissingExtraError, ModelError, UserError
from nas_assistant.generators._base import LimitReached
from nas_assistant.generators._chat import Answer
from nas_assistant.generators._prompts import Message, one_line

_WORKER = "nas_assistant.generators._llama_worker"
# Threads that spin while they wait take the machine from everything else: 30 tokens/s fall to 1.
_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_START_SECONDS = 600.0
_FAREWELL_SECONDS = 2.0
_MOST_FAULTS = 3


class ModelFault(ModelError):
    """The model's process gave no answer; the next question starts another."""


class LocalModel:
    """A GGUF model in a process of its own, started with the first question.

    Equal questions get equal answers: a new conversation is read as a whole, then every sample goes on from
    there, so that only the first one waits for the reading.

    Args:
        path: The model.
        context_tokens: Tokens that a conversation and its answer may have together.
        threads: Threads of the process.
        timeout: Seconds that the reading of a conversation may take, and each answer.
        clock: Tells the seconds.

    Raises:
        MissingExtraError: ``xllamacpp`` is not installed.
    """

    name = "llama.cpp"

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        threads: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError("xllamacpp", "local", "a local model")
        self.path, self.model, self.context_tokens = path, path.name, context_tokens
        self._settings = {"path": str(path), "context_tokens": context_tokens, "threads": threads}
        self._timeout, self._clock = timeout, clock
        self._end = math.inf
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._asked = 0
        self._faults = 0
        self._conversation: list[Message] | None = None
        self._read_tokens = 0

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        return self._process.pid if self._process is not None else None

    def check(self) -> None:
        """Nothing that is cheap can be found out beyond what was when it was made."""

    def hide_messages(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation; no key can be in it."""
        return list(messages)

    def ask(
        self,
        messages: Sequence[Message],
        *,
        needed: Collection[str] = (),
        deadline: float | None = None,
        on_lost: Callable[[], None] | None = None,
        **parameters: Any,
    ) -> Answer:
        """Ask for a completion.

        Args:
            messages: The conversation.
            needed: Every parameter is kept to.
            deadline: When to give up, on the clock of this model, or None.
            on_lost: Called when the model read the conversation, and its answer was lost.
            **parameters: ``max_tokens``, ``temperature``, ``seed``, and in ``extra_body`` what llama.cpp
                knows beyond that, such as ``grammar``.

        Raises:
            LimitReached: The deadline passed.
            ModelFault: The process ended or took too long.
            UserError: The model cannot be loaded, the conversation is too long, or the process failed too
                often.
        """
        self._end = math.inf if deadline is None else deadline
        body = {**parameters.pop("extra_body", {}), **parameters, "cache_prompt": True}
        try:
            self._read(list(messages), int(parameters["max_tokens"]))
            answer = self._complete(messages, **body)
        except ModelFault:
            if on_lost is not None:
                on_lost()
            raise
        self._faults = 0
        return answer

    def close(self) -> None:
        """End the process."""
        process, self._process, self._conversation = self._process, None, None
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

    def _read(self, messages: list[Message], max_tokens: int) -> None:
        """Let the model read a conversation, whole; the sampling goes on from there."""
        if self._process is None or self._conversation != messages:
            self._conversation = None
            # Whole, whatever was read before: other batches round otherwise, and may be answered otherwise.
            answer = self._complete(messages, cache_prompt=False, max_tokens=1, temperature=0.0, seed=0)
            self._read_tokens = int((answer.usage or {}).get("prompt_tokens", 0))
            self._conversation = messages
        if self._read_tokens + max_tokens > self.context_tokens:
            self._refuse(self._read_tokens, max_tokens)

    def _complete(self, messages: Sequence[Message], **parameters: Any) -> Answer:
        if self._process is None:
            self._start()
        self._asked += 1
        body = {"messages": list(messages), **parameters}
        self._send({"id": self._asked, "body": body})
        deadline = self._clock() + self._timeout
        while (message := self._receive(deadline)).get("id") != self._asked:
            continue  # the answer to a question that was given up
        return self._answer(message.get("answer"), int(parameters["max_tokens"]))

    def _answer(self, data: Any, max_tokens: int) -> Answer:
        error = data.get("error") if isinstance(data, dict) else None
        if isinstance(error, dict):
            if error.get("type") == "exceed_context_size_error":
                self._refuse(int(error.get("n_prompt_tokens") or 0), max_tokens)
            told = one_line(str(error.get("message")))
            raise UserError(f"{self.path}: llama.cpp refused the question ({told}): try another model")
        try:
            choice = data["choices"][0]
            usage = {name: n for name, n in data.get("usage", {}).items() if isinstance(n, int)}
            return Answer(
                str(choice["message"].get("content") or ""), "", str(choice.get("finish_reason") or ""), usage
            )
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._fault(FailureKind.PARSE, "the model's process gave no completion") from None

    def _refuse(self, prompt: int, answer: int) -> None:
        raise UserError(
            f"the prompt has {prompt:,} tokens and its answer may have {answer:,}: more than the context of "
            f"{self.context_tokens:,} tokens (context_tokens): raise it if the model reads that much, list "
            "fewer edits (max_listed), or give a shorter model file"
        )

    def _start(self) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not any(word in name.upper() for word in _SECRETS)
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self._lines = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER],
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
            told = self._last_line() or one_line(str(message.get("failed")))
            self.close()
            raise UserError(
                f"{self.path}: llama.cpp cannot load it ({told}): check that it is a whole GGUF file of a "
                "text model, and that the memory suffices"
            )

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        # Where the process has gone, the missing answer tells.
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _receive(self, deadline: float) -> dict[str, Any]:
        seconds = min(deadline, self._end) - self._clock()
        try:
            line = self._lines.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            if self._clock() >= self._end:
                self._kill()
                raise LimitReached("seconds") from None
            raise self._fault(
                FailureKind.TIMEOUT, f"the model did not answer within {seconds:.3g} s, and was ended"
            ) from None
        if line is None:
            raise self._fault(FailureKind.PARSE, f"the model's process {self._ending()}")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise self._fault(FailureKind.PARSE, "the model's process broke off within its answer")
        return message

    def _fault(self, kind: FailureKind, message: str) -> Exception:
        """End the process; the fault, or what to tell the user once it has come too often."""
        self._kill()
        self._faults += 1
        if self._faults >= _MOST_FAULTS:
            return UserError(
                f"{self.path}: {message} ({self._faults} times in a row): check that the memory suffices, or "
                "give the generator a longer timeout"
            )
        return ModelFault(Failure(kind, one_line(message)))

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
