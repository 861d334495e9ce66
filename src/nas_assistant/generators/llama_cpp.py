"""The generator that runs a language model on this machine, under the grammar of the legal edits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, get_args

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._asking import AskingGenerator
from nas_assistant.generators._base import LimitReached, Preview, Proposal, Request
from nas_assistant.generators._cache import AnswerCache
from nas_assistant.generators._chat import Answer, Endpoint
from nas_assistant.generators._grammar import Offer, longest_answer, make_offer, operations_grammar
from nas_assistant.generators._ledger import Prices
from nas_assistant.generators._local_model import LocalModel
from nas_assistant.generators._model_files import find_model
from nas_assistant.generators._model_process import ModelFault
from nas_assistant.generators._prompts import (
    Message,
    check_size,
    count_tokens,
    one_line,
    repair_messages,
)
from nas_assistant.generators._ranges import check_range
from nas_assistant.generators._recorded import AnyEndpoint, RecordedEndpoint
from nas_assistant.generators._tasks import Task, operations_task, search_replace_task, whole_file_task
from nas_assistant.generators._templates import Format, find_prompt

_LONGEST_EDIT = 100
_FREE = Prices(0.0, 0.0)
_RANGES = {
    "temperature": (0, 2),
    "timeout": (0.001, 86_400),
    "max_repairs": (0, 3),
    "proposals": (1, 1000),
    "max_listed": (1, 1000),
    "answer_tokens": (1, 1_000_000),
    "context_tokens": (512, 10_000_000),
    "threads": (1, 1024),
}


class LlamaCppGenerator(AskingGenerator):
    """Asks a local language model for changes (Mishra 2023, section 2.2, Algorithm 3).

    Any GGUF file runs in a process of its own, so that neither a crash nor a hang of the native library takes
    the search down: the proposal carries the failure instead. With ``base_url`` a server of llama.cpp is
    asked. In a run every exchange is written to ``exchanges.sqlite``, and a run that goes on takes its
    answers from there.

    In the format ``operations`` the answer is decoded under a grammar that holds exactly what can be made of
    this file: legal edits, their shapes known to fit, and only such together as go together. Each sample of a
    request is offered another half of the operations, since a small model's choice hardly varies with its
    temperature, and no edit alone twice.

    Args:
        model: Path of a GGUF file, or the name of a known model (``0.5b``, ``1.5b``) in the cache; the 0.5B
            by default. With ``base_url``, the server's name for it.
        base_url: A server of llama.cpp to ask instead, such as ``http://127.0.0.1:8080/v1``.
        format: What is asked for: ``operations`` chooses among the legal edits; ``whole_file`` is the
            thesis's way; ``search_replace`` changes pieces. The last two have no grammar. By default that of
            the prompt.
        prompt: Name of a prompt of this package, or path of one; that of the format by default.
        temperature: Of the sampling.
        seed: Added to the seed of the request.
        timeout: Seconds that the reading of a prompt may take, and each answer.
        max_repairs: Most repairs of an answer in free code.
        proposals: Most proposals of one request. All samples of ``operations`` go on from one prompt, which
            is read once.
        max_listed: Most edits put before the model at once.
        answer_tokens: Most tokens of an answer in free code; the grammar bounds its answers itself.
        context_tokens: Tokens that a prompt and its answer may have. What is longer is refused, never cut.
        threads: Threads of the model's process; one for each core of this machine by default.
        vary_operations: Offer each sample another half of the operations.
        cache: Whether answers are kept, and taken, in the user's cache folder.

    Raises:
        UserError: There is no such model, or an option is out of its range.
        MissingExtraError: ``xllamacpp`` is not installed.
    """

    name: ClassVar[str] = "llama_cpp"

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        *,
        format: Format | None = None,
        prompt: str | None = None,
        temperature: float = 0.8,
        seed: int = 0,
        timeout: float = 600.0,
        max_repairs: int = 1,
        proposals: int = 4,
        max_listed: int = 24,
        answer_tokens: int = 2048,
        context_tokens: int = 8192,
        threads: int | None = None,
        vary_operations: bool = True,
        cache: bool = False,
    ) -> None:
        if format is not None and format not in get_args(Format):
            raise UserError(f"llama_cpp: format {format!r}: choose one of {', '.join(get_args(Format))}")
        threads = threads if threads is not None else os.cpu_count() or 1
        given = locals()
        for name, (low, high) in _RANGES.items():
            check_range("llama_cpp", name, given[name], low, high)
        self._prompt = find_prompt(prompt, format) if prompt is not None else None
        self._format: Format = self._prompt.format if self._prompt else format or "operations"
        self._temperature, self._vary = temperature, vary_operations
        self._max_repairs, self._proposals, self._max_listed = max_repairs, proposals, max_listed
        self._answer_tokens, self._context_tokens = answer_tokens, context_tokens
        self._remote = bool(base_url)
        asked: AnyEndpoint
        if base_url:
            asked = Endpoint(model or "local", base_url, timeout=timeout)
        else:
            path = find_model(model)
            asked = LocalModel(path, context_tokens=context_tokens, threads=threads, timeout=timeout)
        super().__init__(RecordedEndpoint(asked, _FREE, AnswerCache() if cache else None), seed)

    def preview(self, request: Request) -> Preview:
        """The first question of a request; nothing is asked.

        Raises:
            UserError: The prompt is too long, or there is nothing to ask.
        """
        try:
            context = EditContext(request.source, request.graph, request.framework)
            task = self._task(request, context, self._draw(request, 0))
        except EditError as error:
            raise UserError(f"there is nothing to ask: {error.failure.message}") from None
        offer = self._offer(request, task, self._draw(request, 0), set())
        told = [one_line(change.edit.describe(), _LONGEST_EDIT) for change in task.changes]
        most = longest_answer(offer, told) if offer is not None else self._answer_tokens
        check_size(task.messages, self._context_tokens)
        questions = min(request.count, self._proposals)
        repairs = 0 if task.changes else questions * self._max_repairs
        return Preview(tuple(task.messages), count_tokens(task.messages), most, 0.0, questions, repairs)

    def stream(self, request: Request) -> Iterator[Proposal]:
        """What :meth:`propose` gives, answer by answer.

        Raises:
            LimitReached: As :meth:`propose`.
            UserError: Likewise.
        """
        found = 0
        try:
            context = EditContext(request.source, request.graph, request.framework)
            asked = self._choose if self._format == "operations" else self._write_all
            for proposal in asked(request, context):
                found += 1
                yield proposal
        except EditError as error:
            yield Proposal(request.source, failure=error.failure)
        except LimitReached:
            if not found:
                raise

    def _choose(self, request: Request, context: EditContext) -> Iterator[Proposal]:
        """Sample choices among one listing."""
        task = self._task(request, context, self._draw(request, 0))
        places = {change.edit.key: place for place, change in enumerate(task.changes)}
        told = [one_line(change.edit.describe(), _LONGEST_EDIT) for change in task.changes]
        alone: set[int] = set()
        for place in range(min(request.count, self._proposals)):
            seed = self._draw(request, place)
            offer = self._offer(request, task, seed, alone)
            if offer is None:
                return
            most, grammar = longest_answer(offer, told), operations_grammar(offer, told)
            proposal = self._ask(request, task, task.messages, place, most, grammar)[0]
            offered = tuple(task.changes[place].edit for place in offer.positions)
            yield replace(proposal, offered=offered)
            if len(proposal.edits) == 1:
                alone.add(places[proposal.edits[0].key])

    def _offer(self, request: Request, task: Task, seed: int, avoid: set[int]) -> Offer | None:
        return make_offer(
            task.changes,
            request.graph,
            f"{seed}/{request.source}",
            avoid=avoid,
            vary=self._vary,
            constraints=request.constraints,
        )

    def _task(self, request: Request, context: EditContext, seed: int) -> Task:
        if self._format == "whole_file":
            return whole_file_task(request, context, prompt=self._prompt)
        if self._format == "search_replace":
            return search_replace_task(request, context, prompt=self._prompt)
        most, prompt = self._max_listed, self._prompt
        try:
            return operations_task(request, context, most, seed, shape_safe=True, prompt=prompt)
        except EditError:
            return operations_task(request, context, most, seed, prompt=prompt)

    def _write_all(self, request: Request, context: EditContext) -> Iterator[Proposal]:
        for place in range(min(request.count, self._proposals)):
            yield self._write(request, context, place)

    def _write(self, request: Request, context: EditContext, place: int) -> Proposal:
        """Ask for free code, and again where it cannot be used."""
        task = self._task(request, context, self._draw(request, place))
        messages = task.messages
        for repair in range(self._max_repairs + 1):
            proposal, answer = self._ask(request, task, messages, place, self._answer_tokens)
            if proposal.failure is None or answer is None or repair == self._max_repairs:
                break
            room = self._context_tokens - self._answer_tokens
            messages = repair_messages(task.messages, answer.text, proposal.failure, room)
        return proposal

    def _ask(
        self,
        request: Request,
        task: Task,
        messages: list[Message],
        place: int,
        most: int,
        grammar: str | None = None,
    ) -> tuple[Proposal, Answer | None]:
        """One answer as a proposal; None where there was none."""
        more: dict[str, Any] = {} if grammar is None else {"grammar": grammar}
        if self._remote:
            check_size(messages, self._context_tokens - most)
            more["cache_prompt"] = True
        try:
            answer, number = self._model.ask(
                messages,
                len(request.history) + place + 1,
                temperature=self._temperature,
                seed=self._draw(request, place),
                max_tokens=most,
                extra_body=more or None,
            )
        except ModelFault as fault:
            return Proposal(request.source, failure=fault.failure), None
        try:
            if answer.finish == "length":
                raise EditError(FailureKind.PARSE, f"the answer was cut off at its limit of {most:,} tokens")
            return task.read(answer.text), answer
        except EditError as error:
            failure = Failure(error.failure.kind, one_line(error.failure.message), error.failure.line)
        self._model.fail(number, failure)
        return Proposal(request.source, failure=failure), answer
