"""One OpenAI-compatible endpoint: asks for chat completions, with retries and clear errors."""

from __future__ import annotations

import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import openai
import tenacity
from pydantic import BaseModel, ValidationError

from nas_assistant.errors import UserError
from nas_assistant.generators._address import DEFAULT_BASE_URL, endpoint_name, read_key
from nas_assistant.generators._base import LimitReached
from nas_assistant.generators._faults import (
    RefusedParameter,
    TemporaryFault,
    connection_fault,
    no_completion,
    status_fault,
)
from nas_assistant.generators._prompts import Message, one_line

_PLACEHOLDER = "no-key"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_MOST_BYTES = 8 * 2**20
_SHORTEST_SECRET = 8
_CHECK_SECONDS = 5.0
_LIMIT, _NEWER_LIMIT = "max_tokens", "max_completion_tokens"
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
        self.name = endpoint_name(base_url or DEFAULT_BASE_URL)
        self.model = model
        self._key = read_key(needed=base_url is None)
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

    def check(self) -> None:
        """Ask for the list of models, to meet an endpoint that is not there, or a key that it does not take.

        Whatever else the endpoint says is passed over: many have no such list.

        Raises:
            UserError: Nothing listens there, or the key is refused.
        """
        client = self._client.with_options(timeout=min(self._timeout, _CHECK_SECONDS))

        def look() -> bytes:
            with client.models.with_streaming_response.list():
                return b""

        try:
            self._within_time(look, min(self._timeout, _CHECK_SECONDS))
        except openai.AuthenticationError as error:
            told = one_line(self._hide(_told(error.body)), 200)
            # A key may be good for answers alone.
            if not re.search(r"\b(scopes?|permissions?)\b", told, re.IGNORECASE):
                raise status_fault(error, self.name, self.model, bool(self._key), (), told) from None
        except openai.APIConnectionError as error:
            fault = connection_fault(error, self._timeout)
            if fault.absent:
                raise UserError(f"{self.name} {fault.reason}: {fault.remedy}") from None
        except (openai.OpenAIError, TimeoutError):
            return

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
            needed: Parameters that must not be left out.
            deadline: When to give up, on the clock of this endpoint, or None.
            on_lost: Called for each try that the endpoint may have worked on, but whose answer was lost; what
                it raises ends the tries.
            **parameters: Of the request, such as ``temperature``; those that are None are left out, and so
                are those that the endpoint refuses.

        Raises:
            LimitReached: The deadline passed, or ``on_lost`` raised it.
            UserError: The endpoint cannot be used, or not after all tries.
        """
        began = self._clock()
        wanted = {name: value for name, value in parameters.items() if value is not None}
        while True:
            sent = self._accepted(wanted, needed)
            try:
                answer = self._persist(messages, sent, deadline, on_lost)
            except RefusedParameter as refusal:
                self._refused |= {refusal.name}
                continue
            except UserError as error:
                self._tell(messages, sent, began, error=str(error))
                raise
            self._tell(messages, sent, began, answer=answer)
            return answer

    def hide_messages(self, messages: Sequence[Message]) -> list[Message]:
        """A conversation without the key, should it stand there."""
        return [{name: self._hide(value) for name, value in message.items()} for message in messages]

    def _accepted(self, wanted: Mapping[str, Any], needed: Collection[str]) -> dict[str, Any]:
        """The parameters that the endpoint has not refused; its limit on tokens under the name it takes."""
        sent = {name: value for name, value in wanted.items() if name not in self._refused}
        if _LIMIT in wanted and _LIMIT in self._refused and _NEWER_LIMIT not in self._refused:
            sent[_NEWER_LIMIT] = wanted[_LIMIT]
        if _LIMIT in needed and not sent.keys() & {_LIMIT, _NEWER_LIMIT}:
            raise UserError(
                f"{self.name} takes no limit on the tokens of an answer: --max-tokens and --max-usd cannot "
                "be kept: leave them out, or choose another endpoint"
            )
        return sent

    def _persist(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        deadline: float | None,
        on_lost: Callable[[], None] | None,
    ) -> Answer:
        began = self._clock()
        end = math.inf if deadline is None else deadline
        late = False

        def stop(state: tenacity.RetryCallState) -> bool:
            nonlocal late
            next_try = self._clock() + state.upcoming_sleep
            late = next_try >= end
            return late or next_try - began > self._patience or state.attempt_number >= self._attempts

        def attempt() -> Answer:
            try:
                return self._attempt(messages, parameters, min(self._timeout, end - self._clock()))
            except TemporaryFault as fault:
                if fault.lost and on_lost is not None:
                    on_lost()
                raise

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TemporaryFault),
            wait=_wait,
            stop=stop,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(attempt)
        except TemporaryFault as fault:
            if late:
                raise LimitReached("seconds") from None
            count = attempts.statistics.get("attempt_number", 1)
            tries = f" ({count} tries in {self._clock() - began:.0f} s)" if count > 1 else ""
            asks = f", and asks to wait {fault.after:.0f} s" if fault.after else ""
            raise UserError(f"{self.name} {fault.reason}{asks}{tries}: {fault.remedy}") from None

    def _attempt(self, messages: Sequence[Message], parameters: Mapping[str, Any], seconds: float) -> Answer:
        if seconds <= 0:
            raise LimitReached("seconds")
        try:
            data = self._within_time(lambda: self._post(messages, parameters), seconds)
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
                f"broke off within its answer ({type(error).__name__})",
                "see the endpoint's own log",
                lost=True,
            ) from None
        return bytes(data)

    def _within_time(self, work: Callable[[], bytes], seconds: float) -> bytes:
        # The client's timeout is for each piece: an endpoint that sends a byte now and then never reaches it.
        outcome: Future[bytes] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # handed to the thread that waits
                outcome.set_exception(error)

        threading.Thread(target=run, name="chat-completion", daemon=True).start()
        return outcome.result(seconds)

    def _read(self, data: bytes) -> Answer:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            if data.lstrip()[:1] == b"<":
                raise no_completion("a web page", lost=False) from None  # no model wrote that
            raise no_completion("text that is no JSON" if data else "nothing") from None
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
        told = self.hide_messages(messages)
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
