"""The generator that asks a language model at any OpenAI-compatible endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._base import Attempt, BaseGenerator, Proposal, Request
from nas_assistant.generators._chat import Answer, Endpoint
from nas_assistant.generators._prompts import check_size, one_line, repair_messages
from nas_assistant.generators._tasks import Task, operations_task, search_replace_task, whole_file_task

Format = Literal["operations", "whole_file", "search_replace"]

_LARGEST_SEED = 2**31 - 1


class OpenAIGenerator(BaseGenerator):
    """Asks a language model for changes (Mishra 2023, section 2.2, Algorithm 3).

    The key comes from the environment variable ``OPENAI_API_KEY`` alone. The model's source goes to the
    endpoint. An answer that cannot be used goes back with what is wrong with it, at most ``max_repairs``
    times; after that the proposal carries the failure, or, where no answer had any text, the endpoint is at
    fault.

    Args:
        model: Name of the model at the endpoint.
        base_url: Where the endpoint is; the environment variable ``OPENAI_BASE_URL`` or OpenAI's own by
            default. A local one needs no key.
        format: What is asked for: ``operations`` chooses among the legal edits; ``whole_file`` is the
            thesis's prompt; ``search_replace`` changes pieces.
        temperature: Of the sampling.
        seed: Added to the seed of the request.
        timeout: Seconds that one answer may take, as a whole.
        max_repairs: Most repairs of one answer.
        proposals: Most proposals of one request, each an answer of its own. The thesis asks for one a round.
        max_listed: Most edits put before the model at once.
        max_tokens: Most tokens of an answer; by default what the endpoint allows.
        context_tokens: Most tokens of a prompt, estimated as one for each four characters. A longer one is
            refused, never cut.
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
        format: Format = "operations",
        temperature: float = 0.7,
        seed: int = 0,
        timeout: float = 120.0,
        max_repairs: int = 3,
        proposals: int = 1,
        max_listed: int = 120,
        max_tokens: int | None = None,
        context_tokens: int = 32_768,
        attempts: int = 5,
        patience: float = 120.0,
        on_exchange: Callable[[dict[str, Any]], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not model:
            raise UserError("openai: no model: give --model with a name that the endpoint knows")
        if format not in get_args(Format):
            raise UserError(f"openai: format {format!r}: choose one of {', '.join(get_args(Format))}")
        _check("temperature", temperature, 0, 2)
        _check("timeout", timeout, 0.001, 86_400)
        _check("max_repairs", max_repairs, 0, 3)
        for name, value in (("proposals", proposals), ("max_listed", max_listed), ("attempts", attempts)):
            _check(name, value, 1, 1000)
        self._format, self._temperature, self._seed = format, temperature, seed
        self._max_repairs, self._proposals, self._max_listed = max_repairs, proposals, max_listed
        self._max_tokens, self._context_tokens = max_tokens, context_tokens
        self._endpoint = Endpoint(
            model,
            base_url,
            timeout=timeout,
            attempts=attempts,
            patience=patience,
            on_exchange=on_exchange,
            sleep=sleep,
            clock=clock,
        )

    def propose(self, request: Request) -> list[Proposal]:
        """Ask for up to ``proposals`` changes, each told of those before it.

        Raises:
            UserError: The endpoint cannot be used, all its answers are empty, or the prompt is too long.
        """
        try:
            context = EditContext(request.source, request.graph, request.framework)
        except EditError as error:
            return [Proposal(request.source, failure=error.failure)]
        found: list[Proposal] = []
        for place in range(min(request.count, self._proposals)):
            seed = (self._seed + request.seed + place) % _LARGEST_SEED
            proposal = self._propose_one(request, context, seed)
            found.append(proposal)
            told = tuple(edit.describe() for edit in proposal.edits) or proposal.explanation
            attempt = Attempt(told, failure=proposal.failure)
            request = replace(request, history=(*request.history, attempt))
        return found

    def close(self) -> None:
        """Close the connections to the endpoint."""
        self._endpoint.close()

    def _propose_one(self, request: Request, context: EditContext, seed: int) -> Proposal:
        try:
            task = self._task(request, context, seed)
        except EditError as error:
            return Proposal(request.source, failure=error.failure)
        check_size(task.messages, self._context_tokens)
        messages, silent = task.messages, True
        for repair in range(self._max_repairs + 1):
            answer = self._endpoint.ask(
                messages,
                temperature=self._temperature,
                seed=seed,
                max_tokens=self._max_tokens,
                response_format=_response_format(task),
            )
            silent = silent and not (answer.text.strip() or answer.refusal)
            try:
                return _read(task, answer)
            except EditError as error:
                failure = error.failure
            if repair < self._max_repairs:
                messages = repair_messages(task.messages, answer.text, failure, self._context_tokens)
        if silent:
            count = self._max_repairs + 1
            raise UserError(
                f"{self._endpoint.name} answered {count} times with an empty message: check that "
                f"--model {self._endpoint.model} is a model for chat"
            )
        repairs = f" (after {self._max_repairs} repairs)" if self._max_repairs else ""
        told = Failure(failure.kind, one_line(failure.message) + repairs, failure.line)
        return Proposal(request.source, failure=told)

    def _task(self, request: Request, context: EditContext, seed: int) -> Task:
        if self._format == "operations":
            return operations_task(request, context, self._max_listed, seed)
        if self._format == "whole_file":
            return whole_file_task(request, context)
        return search_replace_task(request, context)


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
        "json_schema": {"name": "edits", "strict": True, "schema": task.schema},
    }


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"openai: {name} {value}: give a number from {low:g} to {high:g}")
