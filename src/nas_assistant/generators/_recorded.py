"""An endpoint whose answers are recorded, paid for within limits, and never paid for twice."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nas_assistant.errors import Failure, UserError
from nas_assistant.generators._base import LimitReached, Limits, Usage
from nas_assistant.generators._cache import AnswerCache
from nas_assistant.generators._chat import Answer
from nas_assistant.generators._exchanges import CACHE, ENDPOINT, ExchangeLog
from nas_assistant.generators._ledger import PRICE_VARIABLE, Ledger, Prices
from nas_assistant.generators._prompts import CHARACTERS_PER_TOKEN, Message, count_tokens

_CUT = "length"


@dataclass(frozen=True, slots=True)
class _Question:
    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    candidate: int
    key: str
    place: int


class AnyEndpoint(Protocol):
    """What can be asked: an endpoint, or a model on this machine; see :class:`._chat.Endpoint`."""

    name: str
    model: str

    def check(self) -> None: ...

    def hide_messages(self, messages: Sequence[Message]) -> list[Message]: ...

    def ask(
        self,
        messages: Sequence[Message],
        *,
        needed: Collection[str] = (),
        deadline: float | None = None,
        on_lost: Callable[[], None] | None = None,
        **parameters: Any,
    ) -> Answer: ...

    def close(self) -> None: ...


class RecordedEndpoint:
    """Asks an endpoint, unless the run's log or the user's cache holds the answer.

    Args:
        endpoint: Who is asked.
        prices: Of its model, or None where they are not known.
        cache: Where answers are kept beyond the run, or None.
    """

    def __init__(self, endpoint: AnyEndpoint, prices: Prices | None, cache: AnswerCache | None) -> None:
        self.endpoint = endpoint
        self._prices, self._cache = prices, cache
        self._ledger = Ledger(prices)
        self._log: ExchangeLog | None = None
        self._asked: Counter[tuple[int, str]] = Counter()

    @property
    def usage(self) -> Usage:
        """What the run cost so far, other endpoints that write to its log included."""
        if self._log is not None:
            self._ledger.usage = self._log.usage(self._prices)
        return self._ledger.usage

    @property
    def limited(self) -> bool:
        """Whether tokens or dollars are limited, and so an answer's length has to be."""
        return self._ledger.limited

    def check(self, limits: Limits) -> None:
        """See that the limits can be kept and that the endpoint is there.

        Raises:
            UserError: One of them is not so.
        """
        if limits.max_usd is not None and self._prices is None:
            raise UserError(
                "--max-usd: the prices are not known: give --usd-per-million IN,OUT (dollars for a million "
                f"tokens read and written) or set {PRICE_VARIABLE}"
            )
        self.endpoint.check()

    def begin(self, folder: Path, limits: Limits) -> None:
        """Take in a run: its log, what it was charged before, and its limits.

        Raises:
            UserError: The log cannot be used.
        """
        self.close_log()
        self._log = ExchangeLog(folder)
        self._asked.clear()
        self._ledger = Ledger(self._prices, limits, self._log.usage(self._prices))

    def ask(
        self, messages: Sequence[Message], candidate: int, **parameters: Any
    ) -> tuple[Answer, int | None]:
        """The answer to a question, and its number in the log.

        Args:
            messages: The conversation.
            candidate: Number of the candidate that it is asked for.
            **parameters: As :meth:`Endpoint.ask` takes them.

        Raises:
            LimitReached: A limit of the run leaves no room for it.
            UserError: The endpoint or the log cannot be used.
        """
        wanted = {name: value for name, value in parameters.items() if value is not None}
        key = question_key(self.endpoint.name, self.endpoint.model, messages, wanted)
        place = self._asked[candidate, key]
        self._asked[candidate, key] += 1
        question = _Question(messages, wanted, candidate, key, place)
        known = self._log.find(candidate, key, place) if self._log else None
        if known is not None:
            return known[1], known[0]
        return self._cached(question) or self._paid(question)

    def fail(self, number: int | None, failure: Failure) -> None:
        """Note in the log why an answer could not be used."""
        if self._log is not None and number is not None:
            self._log.fail(number, failure)

    def close_log(self) -> None:
        """Close the run's log."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def close(self) -> None:
        """Close the log and the connections."""
        self.close_log()
        self.endpoint.close()

    def _cached(self, question: _Question) -> tuple[Answer, int | None] | None:
        if self._cache is None:
            return None
        values = self._cache.read(f"{question.key}-{question.place}")
        if values is None or not isinstance(values.get("answer"), str):
            return None
        answer = Answer(values["answer"], "", str(values.get("finish", "")))
        number = self._write(question, CACHE, question.parameters, 0)
        self._ledger.spare()
        if number is not None and self._log is not None:
            self._log.update(number, answer=answer.text, finish=answer.finish, counted=1)
        return answer, number

    def _paid(self, question: _Question) -> tuple[Answer, int | None]:
        self._ledger.usage = self.usage  # another endpoint may have spent of the same limits
        characters = sum(len(message["content"]) for message in question.messages)
        room = self._ledger.answer_room(characters, question.parameters.get("max_tokens"))
        sent = dict(question.parameters) | ({} if room is None else {"max_tokens": room})
        tokens = count_tokens(question.messages)
        number = self._write(question, ENDPOINT, sent, tokens)
        needed = ("max_tokens",) if self._ledger.limited else ()
        began, lost_read, lost_written = time.monotonic(), 0, 0

        def lose() -> None:
            # An answer that was lost on its way may have been charged all the same, as long as it may be.
            nonlocal lost_read, lost_written
            lost_read, lost_written = lost_read + tokens, lost_written + (room or 0)
            self._note(number, lost_read, lost_written)
            self._ledger.usage = self.usage
            self._ledger.answer_room(characters, room, whole=True)

        try:
            answer = self.endpoint.ask(
                question.messages,
                needed=needed,
                deadline=self._ledger.limits.deadline,
                on_lost=lose,
                **sent,
            )
        except (UserError, LimitReached) as error:
            told = f"the limit of {error.what} was reached" if isinstance(error, LimitReached) else str(error)
            seconds = round(time.monotonic() - began, 3)
            self._settle(number, lost_read, lost_written, failure=told, seconds=seconds)
            raise
        read, written, counted = _tokens(question.messages, answer)
        if counted:
            self._ledger.learn(characters, read)
        found = {"answer": answer.text, "refusal": answer.refusal, "finish": answer.finish}
        seconds = round(time.monotonic() - began, 3)
        read, written = read + lost_read, written + lost_written
        self._settle(number, read, written, counted=int(counted), seconds=seconds, **found)
        if self._cache is not None and answer.text.strip() and answer.finish != _CUT:
            values = {"answer": answer.text, "finish": answer.finish, "model": self.endpoint.model}
            self._cache.write(f"{question.key}-{question.place}", values)
        return answer, number

    def _settle(self, number: int | None, read: int, written: int, **values: Any) -> None:
        self._ledger.charge(read, written)
        self._note(number, read, written, **values)

    def _note(self, number: int | None, read: int, written: int, **values: Any) -> None:
        if self._log is not None and number is not None:
            usd = self._ledger.cost(read, written)
            self._log.update(number, prompt_tokens=read, answer_tokens=written, usd=usd, **values)

    def _write(self, question: _Question, by: str, parameters: Mapping[str, Any], tokens: int) -> int | None:
        if self._log is None:
            return None
        return self._log.ask(
            candidate=question.candidate,
            key=question.key,
            place=question.place,
            by=by,
            endpoint=self.endpoint.name,
            model=self.endpoint.model,
            parameters=parameters,
            messages=self.endpoint.hide_messages(question.messages),
            tokens=tokens,
            usd=self._ledger.cost(tokens, 0),
        )


def question_key(
    endpoint: str, model: str, messages: Sequence[Message], parameters: Mapping[str, Any]
) -> str:
    """Digest of a question: equal questions have equal keys."""
    told = json.dumps([endpoint, model, list(messages), dict(parameters)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _tokens(messages: Sequence[Message], answer: Answer) -> tuple[int, int, bool]:
    """Tokens read and written, and whether the endpoint counted them."""
    usage = answer.usage or {}
    read, written = usage.get("prompt_tokens", -1), usage.get("completion_tokens", -1)
    if read >= 0 and written >= 0:
        return read, written, True
    return count_tokens(messages), math.ceil(len(answer.text) / CHARACTERS_PER_TOKEN), False
