"""A model on this machine: what it is asked, and what its process answers."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.generators._base import LimitReached
from nas_assistant.generators._chat import Answer
from nas_assistant.generators._model_process import LLAMA_CPP, Engine, ModelFault, ModelProcess
from nas_assistant.generators._prompts import Message, one_line

CONTEXT_REMEDY = (
    "raise it if the model reads that much, list fewer edits (max_listed), or give a shorter model file"
)


class LocalModel:
    """A model in a process of its own, started with the first question.

    Equal questions get equal answers: where the engine keeps what it has read, a new prompt is read as a
    whole, then every sample goes on from there, so that only the first one waits for the reading.

    Args:
        path: The model.
        context_tokens: Tokens that a prompt and its answer may have together.
        threads: Threads of the process.
        timeout: Seconds that the reading of a prompt may take, and each answer.
        engine: What runs it.
        raw: Let the model go on with the text of the one message, rather than answer a conversation.
        settings: What else the process is told when it starts.
        remedy: What to do about a prompt that is too long.
        clock: Tells the seconds.

    Raises:
        MissingExtraError: The engine is not installed.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        context_tokens: int,
        threads: int,
        timeout: float,
        engine: Engine = LLAMA_CPP,
        raw: bool = False,
        settings: dict[str, Any] | None = None,
        remedy: str = CONTEXT_REMEDY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.path, self.context_tokens = engine.name, path, context_tokens
        self.model = path.name if isinstance(path, Path) else path
        told = {"path": str(path), "context_tokens": context_tokens, "threads": threads, **(settings or {})}
        self._process = ModelProcess(str(path), engine, told, timeout, clock)
        self._engine, self._raw, self._remedy = engine, raw, remedy
        self._conversation: tuple[int | None, list[Message]] | None = None
        self._read_tokens = 0
        self._ready: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        return self._process.pid

    def check(self) -> None:
        """Nothing that is cheap can be found out beyond what was when it was made."""

    def hide_messages(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation; no key can be in it."""
        return list(messages)

    def ready(self) -> dict[str, Any]:
        """What the process said of the model once it was loaded; starts it where that is not known yet.

        Raises:
            UserError: The model cannot be loaded.
        """
        if not self._ready:
            self._process.end = math.inf
            self._ready = self._process.start()
        return self._ready

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
            **parameters: ``max_tokens``, ``temperature``, ``seed``, and in ``extra_body`` what the engine
                knows beyond that, such as ``grammar``.

        Raises:
            LimitReached: The deadline passed.
            ModelFault: The process ended or took too long.
            UserError: The model cannot be loaded, the conversation is too long, or the process failed too
                often.
        """
        self._process.end = math.inf if deadline is None else deadline
        body = {**parameters.pop("extra_body", {}), **parameters, "cache_prompt": True}
        try:
            if self._engine.reads_ahead:
                self._read(list(messages), int(parameters["max_tokens"]))
            answer = self._complete(messages, **body)
        except ModelFault:
            if on_lost is not None:
                with contextlib.suppress(LimitReached):  # nothing is tried again here
                    on_lost()
            raise
        self._process.succeeded()
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _read(self, messages: list[Message], max_tokens: int) -> None:
        """Let the model read a conversation, whole; the sampling goes on from there."""
        if self._conversation != (self.pid, messages):
            self._conversation = None
            # Whole, whatever was read before: other batches round otherwise, and may be answered otherwise.
            answer = self._complete(messages, cache_prompt=False, max_tokens=1, temperature=0.0, seed=0)
            self._read_tokens = int((answer.usage or {}).get("prompt_tokens", 0))
            self._conversation = (self.pid, messages)
        if self._read_tokens + max_tokens > self.context_tokens:
            self._refuse(self._read_tokens, max_tokens, self.context_tokens)

    def _complete(self, messages: Sequence[Message], **parameters: Any) -> Answer:
        what: dict[str, Any] = (
            {"prompt": messages[-1]["content"]} if self._raw else {"messages": list(messages)}
        )
        answer = self._process.ask({**what, **parameters})
        return self._answer(answer, int(parameters["max_tokens"]))

    def _answer(self, data: Any, max_tokens: int) -> Answer:
        error = data.get("error") if isinstance(data, dict) else None
        if isinstance(error, dict):
            if error.get("type") == "exceed_context_size_error":
                limit = int(error.get("n_ctx") or self.context_tokens)
                self._refuse(int(error.get("n_prompt_tokens") or 0), max_tokens, limit)
            told = one_line(str(error.get("message")))
            raise UserError(f"{self.path}: {self.name} refused the question ({told}): try another model")
        try:
            choice = data["choices"][0]
            usage = {name: n for name, n in data.get("usage", {}).items() if isinstance(n, int)}
            text = choice["text"] if self._raw else choice["message"].get("content")
            return Answer(str(text or ""), "", str(choice.get("finish_reason") or ""), usage)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._process.fault(FailureKind.PARSE, "the model's process gave no completion") from None

    def _refuse(self, prompt: int, answer: int, limit: int) -> None:
        raise UserError(
            f"the prompt has {prompt:,} tokens and its answer may have {answer:,}: more than the context of "
            f"{limit:,} tokens (context_tokens): {self._remedy}"
        )
