"""One OpenAI-compatible endpoint: asks for chat completions, with retries and clear errors."""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
import tenacity
from pydantic import BaseModel, ValidationError

from nas_assistant.errors import UserError
from nas_assistant.generators._faults import (
    KEY_VARIABLE,
    RefusedParameter,
    TemporaryFault,
    connection_fault,
    no_completion,
    status_fault,
)
from nas_assistant.generators._prompts import Message, one_line

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_PLACEHOLDER = "no-key"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_MOST_BYTES = 8 * 2**20
_SHORTEST_SECRET = 8
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)


class _Message(BaseModel):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        text: Its text, without what a reasoning model thought aloud; may be empty.
        refusal: Why it would not answer, or empty.
        finish: Why it stopped: ``stop``, ``length``, ``content_filter``…
        usage: Tokens read and written, as far as the endpoint tells.
    """

    text: str
    refusal: str = ""
    finish: str = ""
    usage: Mapping[str, int] | None = None


class Endpoint:
    """Chat completions of one model at one endpoint.

    The key comes from the environment variable ``OPENAI_API_KEY`` alone, and is in no message, log or
    exchange. Without one, an endpoint given by ``base_url`` is asked with a placeholder.

    Args:
        model: Name of the model.
        base_url: Where the endpoint is; ``OPENAI_BASE_URL`` or OpenAI's own by default.
        timeout: Seconds that one answer may take, as a whole.
        attempts: Most tries of one question.
        patience: Seconds after which no further try begins.
        on_exchange: Called with each question and what came of it.
        sleep: Waits between two tries.
        clock: Tells the seconds.

    Raises:
        UserError: There is no key and no ``base_url``, or one of them cannot be used.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        timeout: float = 120.0,
        attempts: int = 5,
        patience: float = 120.0,
        on_exchange: Callable[[dict[str, Any]], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        base_url = base_url or os.environ.get("OPENAI_BASE_URL")
        self.name = _endpoint_name(base_url or DEFAULT_BASE_URL)
        self.model = model
        self._key = _read_key(needed=base_url is None)
        self._timeout, self._attempts, self._patience = timeout, attempts, patience
        self._on_exchange, self._sleep, self._clock = on_exchange, sleep, clock
        self._refused: frozenset[str] = frozenset()
        self._client = openai.OpenAI(
            api_key=self._key or _PLACEHOLDER,
            base_url=self.name,
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, messages: Sequence[Message], **parameters: Any) -> Answer:
        """Ask for a completion.

        Args:
            messages: The conversation.
            **parameters: Of the request, such as ``temperature``; those that are None are left out, and so
                are those that the endpoint refuses.

        Raises:
            UserError: The endpoint cannot be used, or not after all tries.
        """
        began = self._clock()
        sent = {name: value for name, value in parameters.items() if value is not None}
        while True:
            sent = {name: value for name, value in sent.items() if name not in self._refused}
            try:
                answer = self._persist(messages, sent)
            except RefusedParameter as refusal:
                self._refused |= {refusal.name}
                continue
            except UserError as error:
                self._tell(messages, sent, began, error=str(error))
                raise
            self._tell(messages, sent, began, answer=answer)
            return answer

    def _persist(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> Answer:
        began = self._clock()
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TemporaryFault),
            wait=_wait,
            stop=lambda state: (
                state.attempt_number >= self._attempts
                or self._clock() - began + state.upcoming_sleep > self._patience
            ),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(self._attempt, messages, parameters)
        except TemporaryFault as fault:
            count = attempts.statistics.get("attempt_number", 1)
            tries = f" ({count} tries in {self._clock() - began:.0f} s)" if count > 1 else ""
            asks = f", and asks to wait {fault.after:.0f} s" if fault.after else ""
            raise UserError(f"{self.name} {fault.reason}{asks}{tries}: {fault.remedy}") from None

    def _attempt(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> Answer:
        try:
            data = self._within_time(lambda: self._post(messages, parameters))
        except openai.APIStatusError as error:
            told = one_line(self._hide(_told(error.body)), 200)
            raise status_fault(
                error, self.name, self.model, bool(self._key), list(parameters), told
            ) from None
        except (openai.APIConnectionError, TimeoutError) as error:
            raise connection_fault(error, self._timeout) from None
        return self._read(data)

    def _post(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> bytes:
        """The body of the answer; the client's own parsing would take whatever comes."""
        create: Any = self._client.chat.completions.with_streaming_response.create
        data = bytearray()
        try:
            with create(model=self.model, messages=list(messages), **parameters) as response:
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > _MOST_BYTES:
                        raise no_completion(f"more than {_MOST_BYTES:,} bytes")
        except (openai.APIStatusError, openai.APIConnectionError, TemporaryFault):
            raise
        except Exception as error:  # the client wraps what fails before the body, not within it
            if "Timeout" in type(error).__name__:
                raise TimeoutError from None
            raise TemporaryFault(
                f"broke off within its answer ({type(error).__name__})", "see the endpoint's own log"
            ) from None
        return bytes(data)

    def _within_time(self, work: Callable[[], bytes]) -> bytes:
        # The client's timeout is for each piece: an endpoint that sends a byte now and then never reaches it.
        outcome: Future[bytes] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # handed to the thread that waits
                outcome.set_exception(error)

        threading.Thread(target=run, name="chat-completion", daemon=True).start()
        return outcome.result(self._timeout)

    def _read(self, data: bytes) -> Answer:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            what = (
                "a web page" if data.lstrip()[:1] == b"<" else "text that is no JSON" if data else "nothing"
            )
            raise no_completion(what) from None
        if isinstance(value, dict) and value.get("error") and not value.get("choices"):
            told = one_line(self._hide(_told(value["error"])), 200)
            raise TemporaryFault(f"answered with an error: {told}", "see the endpoint's own log")
        try:
            completion = _Completion.model_validate(value)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the answer"
            raise no_completion(f"JSON without a valid {place}") from None
        if not completion.choices:
            raise no_completion("JSON without any choices")
        choice = completion.choices[0]
        text = _THOUGHT.sub("", self._hide(_text(choice.message.content)))
        usage = {name: n for name, n in (completion.usage or {}).items() if isinstance(n, int)}
        return Answer(text, self._hide(choice.message.refusal or ""), choice.finish_reason or "", usage)

    def _hide(self, text: str) -> str:
        """The text without the key, should the endpoint repeat it. Too short a key is no secret."""
        return text.replace(self._key, "***") if len(self._key) >= _SHORTEST_SECRET else text

    def _tell(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        began: float,
        answer: Answer | None = None,
        error: str | None = None,
    ) -> None:
        if self._on_exchange is None:
            return
        told = [{name: self._hide(value) for name, value in message.items()} for message in messages]
        self._on_exchange(
            {
                "endpoint": self.name,
                "model": self.model,
                "parameters": dict(parameters),
                "messages": told,
                "answer": answer.text if answer else None,
                "refusal": answer.refusal if answer else "",
                "finish": answer.finish if answer else "",
                "usage": dict(answer.usage or {}) if answer else {},
                "seconds": round(self._clock() - began, 3),
                "error": error,
            }
        )


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds to the next try: what the endpoint asks for, else twice as long each time, with jitter."""
    fault = state.outcome.exception() if state.outcome is not None else None
    if isinstance(fault, TemporaryFault) and fault.after is not None:
        return fault.after
    longest = min(_FIRST_WAIT * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT)
    # The jitter keeps clients apart: a seed that two of them share would bring them together.
    return longest * random.SystemRandom().uniform(0.5, 1.0)


def _endpoint_name(base_url: str) -> str:
    """The URL as it is asked and as it stands in messages.

    Raises:
        UserError: It is no URL of a server, or holds more than the place, such as a password.
    """
    shown = one_line(base_url.rpartition("@")[2].partition("?")[0], 100)
    advice = "give a URL such as http://127.0.0.1:8080/v1"
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise UserError(f"--base-url {shown}: {advice}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            f"--base-url {shown}: it holds more than the place: {advice}, and the key in {KEY_VARIABLE}"
        )
    host = parts.hostname or ""
    bare = host.replace(".", "").replace("-", "").replace("_", "").replace(":", "")
    if parts.scheme not in ("http", "https") or not bare.isalnum() or not parts.path.isprintable():
        raise UserError(f"--base-url {shown}: {advice}")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")


def _read_key(*, needed: bool) -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if needed and not key:
        raise UserError(
            f"{KEY_VARIABLE} is not set: set it to your key, or give --base-url of a local endpoint"
        )
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{KEY_VARIABLE} holds signs that no key has: set it anew")
    return key


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content or ""


def _told(body: object) -> str:
    """The message in the body of an error."""
    while isinstance(body, dict):
        body = body.get("message") or body.get("error") or body.get("detail") or ""
    text = body if isinstance(body, str) else ""
    return "" if text.lstrip().startswith("<") else text
