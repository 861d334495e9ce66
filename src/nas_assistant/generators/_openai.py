"""The generator that asks a language model at any OpenAI-compatible endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, get_args

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._asking import AskingGenerator
from nas_assistant.generators._base import Attempt, LimitReached, Preview, Proposal, Request
from nas_assistant.generators._cache import AnswerCache
from nas_assistant.generators._chat import Answer, Endpoint
from nas_assistant.generators._ledger import ANSWER_TOKENS, find_prices
from nas_assistant.generators._prompts import check_size, count_tokens, one_line, repair_messages
from nas_assistant.generators._ranges import check_range
from nas_assistant.generators._recorded import RecordedEndpoint
from nas_assistant.generators._tasks import Task, operations_task, search_replace_task, whole_file_task
from nas_assistant.generators._templates import Format, find_prompt


class OpenAIGenerator(AskingGenerator):
    """Asks a language model for changes (Mishra 2023, section 2.2, Algorithm 3).

    The key comes from the environment variable ``OPENAI_API_KEY`` alone. The model's source goes to the
    endpoint. An answer that cannot be used goes back with what is wrong with it, at most ``max_repairs``
    times; after that the proposal carries the failure, or, where no answer had any text, the endpoint is at
    fault. In a run every exchange is written to ``exchanges.sqlite``; a run that goes on takes the answers
    that it paid for from there.

    Args:
        model: Name of the model at the endpoint.
        base_url: Where the endpoint is; the environment variable ``OPENAI_BASE_URL`` or OpenAI's own by
            default. A local one needs no key.
        format: What is asked for: ``operations`` chooses among the legal edits; ``whole_file`` is the
            thesis's way; ``search_replace`` changes pieces. By default that of the prompt.
        prompt: Name of a prompt of this package, such as ``thesis`` or ``thesis_strict``, or path of one;
            that of the format by default, in its strict form under constraints.
        temperature: Of the sampling.
        seed: Added to the seed of the request.
        timeout: Seconds that one answer may take, as a whole.
        max_repairs: Most repairs of one answer.
        proposals: Most proposals of one request, each an answer of its own. The thesis asks for one a round.
        max_listed: Most edits put before the model at once.
        answer_tokens: Most tokens of an answer; by default what the endpoint allows, or 4,096 where tokens or
            dollars are limited.
        context_tokens: Most tokens of a prompt, estimated as one for each four characters. A longer one is
            refused, never cut.
        usd_per_million: Dollars for a million tokens read and written, as ``IN,OUT``; what the environment
            variable ``NAS_ASSISTANT_USD_PER_MILLION`` holds by default.
        cache: Whether answers are kept, and taken, in the user's cache folder.
        attempts: Most tries of one question while the endpoint is at fault.
        patience: Seconds after which no further try begins.
        on_exchange: Called with each question and what came of it: endpoint, model, parameters, messages,
            answer, refusal, finish, usage, seconds and error. The key is in none of them.
        sleep: Waits between two tries.
        clock: Tells the seconds.

    Raises:
        UserError: There is no key and no ``base_url``, no model, or an option is out of its range.
    """

    name: ClassVar[str] = "openai"

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        *,
        format: Format | None = None,
        prompt: str | None = None,
        temperature: float = 0.7,
        seed: int = 0,
        timeout: float = 120.0,
        max_repairs: int = 3,
        proposals: int = 1,
        max_listed: int = 120,
        answer_tokens: int | None = None,
        context_tokens: int = 32_768,
        usd_per_million: str | None = None,
        cache: bool = True,
        attempts: int = 5,
        patience: float = 120.0,
        on_exchange: Callable[[dict[str, Any]], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not model:
            raise UserError("openai: no model: give --model with a name that the endpoint knows")
        if format is not None and format not in get_args(Format):
            raise UserError(f"openai: format {format!r}: choose one of {', '.join(get_args(Format))}")
        check_range("openai", "temperature", temperature, 0, 2)
        check_range("openai", "timeout", timeout, 0.001, 86_400)
        check_range("openai", "max_repairs", max_repairs, 0, 3)
        for name, value in (("proposals", proposals), ("max_listed", max_listed), ("attempts", attempts)):
            check_range("openai", name, value, 1, 1000)
        for name, most in (("answer_tokens", answer_tokens), ("context_tokens", context_tokens)):
            if most is not None:
                check_range("openai", name, most, 1, 100_000_000)
        self._prompt = find_prompt(prompt, format) if prompt is not None else None
        self._format: Format = self._prompt.format if self._prompt else format or "operations"
        self._temperature = temperature
        self._max_repairs, self._proposals, self._max_listed = max_repairs, proposals, max_listed
        self._answer_tokens, self._context_tokens = answer_tokens, context_tokens
        self._prices = find_prices(usd_per_million)
        endpoint = Endpoint(
            model,
            base_url,
            timeout=timeout,
            attempts=attempts,
            patience=patience,
            on_exchange=on_exchange,
            sleep=sleep,
            clock=clock,
        )
        super().__init__(RecordedEndpoint(endpoint, self._prices, AnswerCache() if cache else None), seed)

    def preview(self, request: Request) -> Preview:
        """The first question of a request, and about what it costs; nothing is asked.

        Raises:
            UserError: The prompt is too long, or there is nothing to ask.
        """
        try:
            context = EditContext(request.source, request.graph, request.framework)
            task = self._task(request, context, self._draw(request, 0))
        except EditError as error:
            raise UserError(f"there is nothing to ask: {error.failure.message}") from None
        check_size(task.messages, self._context_tokens)
        read = count_tokens(task.messages)
        written = self._answer_tokens or (ANSWER_TOKENS if self._model.limited else None)
        questions = min(request.count, self._proposals)
        found = Preview(
            tuple(task.messages), read, written, questions=questions, repairs=questions * self._max_repairs
        )
        if self._prices is None or written is None:
            return found
        cost, repair = self._prices.cost(read, written), self._prices.cost(read + written, written)
        return replace(found, usd=cost, repair_usd=repair)

    def stream(self, request: Request) -> Iterator[Proposal]:
        """What :meth:`propose` gives, answer by answer.

        Raises:
            LimitReached: As :meth:`propose`.
            UserError: Likewise.
        """
        try:
            context = EditContext(request.source, request.graph, request.framework)
        except EditError as error:
            yield Proposal(request.source, failure=error.failure)
            return
        for place in range(min(request.count, self._proposals)):
            try:
                proposal = self._propose_one(request, context, self._draw(request, place))
            except LimitReached:
                if place:  # the others were paid for
                    return
                raise
            yield proposal
            attempt = Attempt(proposal.edits, proposal.explanation, failure=proposal.failure)
            request = replace(request, history=(*request.history, attempt))

    def _propose_one(self, request: Request, context: EditContext, seed: int) -> Proposal:
        try:
            task = self._task(request, context, seed)
        except EditError as error:
            return Proposal(request.source, failure=error.failure)
        check_size(task.messages, self._context_tokens)
        messages, silent, candidate = task.messages, True, len(request.history) + 1
        for repair in range(self._max_repairs + 1):
            answer, number = self._model.ask(
                messages,
                candidate,
                temperature=self._temperature,
                seed=seed,
                max_tokens=self._answer_tokens,
                response_format=_response_format(task),
            )
            silent = silent and not (answer.text.strip() or answer.refusal)
            try:
                return _read(task, answer)
            except EditError as error:
                failure = error.failure
                self._model.fail(number, failure)
            if repair < self._max_repairs:
                messages = repair_messages(task.messages, answer.text, failure, self._context_tokens)
        if silent:
            count = self._max_repairs + 1
            raise UserError(
                f"{self._model.endpoint.name} answered {count} times with an empty message: check that "
                f"--model {self._model.endpoint.model} is a model for chat"
            )
        repairs = f" (after {self._max_repairs} repairs)" if self._max_repairs else ""
        told = Failure(failure.kind, one_line(failure.message) + repairs, failure.line)
        return Proposal(request.source, failure=told)

    def _task(self, request: Request, context: EditContext, seed: int) -> Task:
        if self._format == "operations":
            return operations_task(request, context, self._max_listed, seed, prompt=self._prompt)
        if self._format == "whole_file":
            return whole_file_task(request, context, prompt=self._prompt)
        return search_replace_task(request, context, prompt=self._prompt)


def _read(task: Task, answer: Answer) -> Proposal:
    """The proposal of an answer.

    Raises:
        EditError: It cannot be used.
    """
    if answer.refusal and not answer.text.strip():
        raise EditError(FailureKind.PARSE, f"the model refused: {one_line(answer.refusal)}")
    if answer.finish == "length":
        raise EditError(FailureKind.PARSE, "the answer was cut off at its limit of tokens: answer shorter")
    if answer.finish == "content_filter":
        raise EditError(FailureKind.PARSE, "the endpoint's content filter cut the answer off")
    return task.read(answer.text)


def _response_format(task: Task) -> dict[str, Any] | None:
    if task.schema is None:
        return None
    return {
        "type": "json_schema",
        "json_schema": {"name": "edits", "strict": True, "schema": _plain(task.schema)},
    }


def _plain(schema: Any) -> Any:
    """The schema without the lengths of texts, which strict endpoints refuse; the reader cuts them anyway."""
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name != "maxLength"}
    return [_plain(value) for value in schema] if isinstance(schema, list) else schema
