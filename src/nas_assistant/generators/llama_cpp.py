"""The generator that runs a language model on this machine, under the grammar of the legal edits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol, get_args

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._base import BaseGenerator, Proposal, Request
from nas_assistant.generators._chat import Answer, Endpoint
from nas_assistant.generators._grammar import longest_answer, make_offer, operations_grammar
from nas_assistant.generators._local_model import LocalModel, ModelFault
from nas_assistant.generators._model_files import find_model
from nas_assistant.generators._prompts import Message, check_size, one_line, repair_messages
from nas_assistant.generators._tasks import Task, operations_task, search_replace_task, whole_file_task

Format = Literal["operations", "whole_file", "search_replace"]

_LARGEST_SEED = 2**31 - 1


class _Model(Protocol):
    def ask(
        self,
        messages: list[Message],
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        grammar: str | None = None,
    ) -> Answer: ...

    def close(self) -> None: ...


class LlamaCppGenerator(BaseGenerator):
    """Asks a local language model for changes (Mishra 2023, section 2.2, Algorithm 3).

    Any GGUF file runs in a process of its own, so that neither a crash nor a hang of the native library takes
    the search down: the proposal carries the failure instead. With ``base_url`` a server of llama.cpp is
    asked.

    In the format ``operations`` the answer is decoded under a grammar that holds exactly what can be made of
    this file: legal edits, their shapes known to fit, and only such together as go together. Each sample of a
    request is offered another half of the operations, since a small model's choice hardly varies with its
    temperature, and no edit twice.

    Args:
        model: Path of a GGUF file, or the name of a known model (``0.5b``, ``1.5b``) in the cache; the 0.5B
            by default. With ``base_url``, the server's name for it.
        base_url: A server of llama.cpp to ask instead, such as ``http://127.0.0.1:8080/v1``.
        format: What is asked for: ``operations`` chooses among the legal edits; ``whole_file`` is the
            thesis's prompt; ``search_replace`` changes pieces. The last two have no grammar.
        temperature: Of the sampling.
        seed: Added to the seed of the request.
        timeout: Seconds that the reading of a prompt may take, and each answer.
        max_repairs: Most repairs of an answer in free code.
        proposals: Most proposals of one request. All samples of ``operations`` go on from one prompt, which
            is read once.
        max_listed: Most edits put before the model at once.
        max_tokens: Most tokens of an answer in free code; an answer under the grammar is bounded by it.
        context_tokens: Tokens that a prompt and its answer may have. What is longer is refused, never cut.
        threads: Threads of the model's process; one for each core of this machine by default.
        vary_operations: Offer each sample another half of the operations.
        on_exchange: Called with each question and what came of it.

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
        format: Format = "operations",
        temperature: float = 0.8,
        seed: int = 0,
        timeout: float = 600.0,
        max_repairs: int = 1,
        proposals: int = 4,
        max_listed: int = 40,
        max_tokens: int = 2048,
        context_tokens: int = 8192,
        threads: int | None = None,
        vary_operations: bool = True,
        on_exchange: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if format not in get_args(Format):
            raise UserError(f"llama_cpp: format {format!r}: choose one of {', '.join(get_args(Format))}")
        threads = threads if threads is not None else os.cpu_count() or 1
        for name, value, low, high in (
            ("temperature", temperature, 0, 2),
            ("timeout", timeout, 0.001, 86_400),
            ("max_repairs", max_repairs, 0, 3),
            ("proposals", proposals, 1, 1000),
            ("max_listed", max_listed, 1, 1000),
            ("max_tokens", max_tokens, 1, 1_000_000),
            ("context_tokens", context_tokens, 512, 10_000_000),
            ("threads", threads, 1, 1024),
        ):
            if not low <= value <= high:
                raise UserError(f"llama_cpp: {name} {value}: give a number from {low:g} to {high:g}")
        self._format, self._temperature, self._seed = format, temperature, seed
        self._max_repairs, self._proposals, self._max_listed = max_repairs, proposals, max_listed
        self._max_tokens, self._context_tokens = max_tokens, context_tokens
        self._vary = vary_operations
        self._model: _Model
        if base_url:
            self._model = _Server(model, base_url, context_tokens, timeout, on_exchange)
        else:
            self._model = LocalModel(
                find_model(model),
                context_tokens=context_tokens,
                threads=threads,
                timeout=timeout,
                on_exchange=on_exchange,
            )

    def propose(self, request: Request) -> list[Proposal]:
        """Ask for up to ``proposals`` changes.

        Raises:
            UserError: The model cannot be loaded or asked, fails again and again, or the prompt is too long.
        """
        try:
            context = EditContext(request.source, request.graph, request.framework)
            if self._format == "operations":
                return self._choose(request, context)
            count = min(request.count, self._proposals)
            return [self._write(request, context, self._draw(request, place)) for place in range(count)]
        except EditError as error:
            return [Proposal(request.source, failure=error.failure)]

    def close(self) -> None:
        """End the model's process."""
        self._model.close()

    def _draw(self, request: Request, place: int) -> int:
        return (self._seed + request.seed + place) % _LARGEST_SEED

    def _choose(self, request: Request, context: EditContext) -> list[Proposal]:
        """Sample choices among one listing."""
        task = self._listing(request, context)
        found: list[Proposal] = []
        chosen: set[int] = set()
        keys = {change.edit.key: place for place, change in enumerate(task.changes)}
        for place in range(min(request.count, self._proposals)):
            seed = self._draw(request, place)
            for vary in (self._vary, False):
                offer = make_offer(
                    task.changes,
                    request.graph,
                    f"{seed}/{request.source}",
                    avoid=chosen,
                    vary=vary,
                    max_parameters=request.constraints.max_parameters,
                )
                if offer is not None:
                    break
            else:
                break
            grammar, most = operations_grammar(offer), longest_answer(offer)
            proposal = self._ask(request, task, task.messages, seed, most, grammar)[0]
            found.append(proposal)
            if len(proposal.edits) == 1:
                chosen.add(keys[proposal.edits[0].key])
        return found

    def _listing(self, request: Request, context: EditContext) -> Task:
        seed = self._draw(request, 0)
        try:
            return operations_task(request, context, self._max_listed, seed, shape_safe=True)
        except EditError:
            return operations_task(request, context, self._max_listed, seed)

    def _write(self, request: Request, context: EditContext, seed: int) -> Proposal:
        """Ask for free code, and once more where it cannot be used."""
        make = whole_file_task if self._format == "whole_file" else search_replace_task
        task = make(request, context)
        messages = task.messages
        for repair in range(self._max_repairs + 1):
            proposal, answer = self._ask(request, task, messages, seed, self._max_tokens)
            if proposal.failure is None or answer is None or repair == self._max_repairs:
                break
            room = self._context_tokens - self._max_tokens
            messages = repair_messages(task.messages, answer.text, proposal.failure, room)
        return proposal

    def _ask(
        self,
        request: Request,
        task: Task,
        messages: list[Message],
        seed: int,
        max_tokens: int,
        grammar: str | None = None,
    ) -> tuple[Proposal, Answer | None]:
        """One answer, as a proposal; None where there was none."""
        try:
            answer = self._model.ask(
                messages, max_tokens=max_tokens, temperature=self._temperature, seed=seed, grammar=grammar
            )
        except ModelFault as fault:
            return Proposal(request.source, failure=fault.failure), None
        try:
            if answer.finish == "length":
                raise EditError(
                    FailureKind.PARSE, f"the answer was cut off at its limit of {max_tokens:,} tokens"
                )
            return task.read(answer.text), answer
        except EditError as error:
            failure = error.failure
        told = Failure(failure.kind, one_line(failure.message), failure.line)
        return Proposal(request.source, failure=told), answer


class _Server:
    """The model of a server of llama.cpp."""

    def __init__(
        self,
        model: str | None,
        base_url: str,
        context_tokens: int,
        timeout: float,
        on_exchange: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._context_tokens = context_tokens
        self._endpoint = Endpoint(model or "local", base_url, timeout=timeout, on_exchange=on_exchange)

    def ask(
        self,
        messages: list[Message],
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        grammar: str | None = None,
    ) -> Answer:
        check_size(messages, self._context_tokens - max_tokens)
        own = {"cache_prompt": True, **({"grammar": grammar} if grammar is not None else {})}
        return self._endpoint.ask(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed, extra_body=own
        )

    def close(self) -> None:
        self._endpoint.close()
