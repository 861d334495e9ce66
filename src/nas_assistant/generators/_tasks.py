"""What a language model is asked for in each format, and how its answer becomes a proposal."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_assistant.edits import (
    EditError,
    make_changes,
    operations_schema,
    parse_operations,
    search_replace,
    whole_file,
)
from nas_assistant.errors import FailureKind
from nas_assistant.generators._base import Constraints, Proposal
from nas_assistant.generators._listing import list_changes
from nas_assistant.generators._prompts import Message, make_messages, one_line, strip_annotations
from nas_assistant.generators._templates import STRICT, Format, Prompt, own_prompt
from nas_assistant.sources import syntax_tree

if TYPE_CHECKING:
    from nas_assistant.edits import Change, EditContext
    from nas_assistant.generators._base import Request

_LONGEST_ANSWER = 400_000
_MOST_LINES = 12
_CODE = re.compile(
    r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1[ \t]*$|\Z)|^[ \t]*<{5,9}[ \t]*SEARCH.*?(?:^[ \t]*>{5,9}[^\n]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")


@dataclass(frozen=True, slots=True)
class Task:
    """One question to a language model.

    Attributes:
        messages: The conversation that asks it.
        read: Makes a proposal of an answer; raises ``EditError`` where it cannot be used.
        schema: JSON schema of the answer, or None for free text.
        changes: What the answer chooses among, in the order of the listing; empty for free text.
    """

    messages: list[Message]
    read: Callable[[str], Proposal]
    schema: dict[str, Any] | None = None
    changes: tuple[Change, ...] = ()


def operations_task(
    request: Request,
    context: EditContext,
    most: int,
    seed: int,
    *,
    shape_safe: bool = False,
    prompt: Prompt | None = None,
) -> Task:
    """Choose among the legal edits, or among those of them whose shapes are known to fit.

    Raises:
        EditError: There is none left.
    """
    changes, legal = list_changes(request, context, most, seed, shape_safe=shape_safe)
    if not changes:
        raise EditError(FailureKind.CONSTRAINT, "no edit is left that is legal here and not tried yet")
    edits = [change.edit for change in changes]
    cut = f" ({len(edits)} of {legal} legal ones, drawn at random)" if len(edits) < legal else ""
    prompt = prompt or _default("operations", request)
    messages = make_messages(prompt, request, own_layers(request, context), edits, listed=cut)

    def read(answer: str) -> Proposal:
        return _chosen(answer, changes, context, messages[-1]["content"])

    return Task(messages, guarded(read), operations_schema(edits), tuple(changes))


def whole_file_task(request: Request, context: EditContext, *, prompt: Prompt | None = None) -> Task:
    """Write the whole file anew, as in Mishra 2023, section 2.2."""
    prompt = prompt or _default("whole_file", request)
    messages = make_messages(prompt, request, own_layers(request, context))

    def read(answer: str) -> Proposal:
        source = whole_file(strip_annotations(answer))
        return _free(request, source.replace("\n", "\r\n") if "\r\n" in request.source else source, answer)

    return Task(messages, guarded(read))


def search_replace_task(request: Request, context: EditContext, *, prompt: Prompt | None = None) -> Task:
    """Change pieces of the file."""
    prompt = prompt or _default("search_replace", request)
    messages = make_messages(prompt, request, own_layers(request, context))

    def read(answer: str) -> Proposal:
        return _free(request, search_replace(request.source, strip_annotations(answer)), answer)

    return Task(messages, guarded(read))


def _default(format: Format, request: Request) -> Prompt:
    """The prompt of a format; its strict form under constraints."""
    return own_prompt(format if request.constraints == Constraints() else format + STRICT)


def own_layers(request: Request, context: EditContext) -> list[Any]:
    """The layers that the request's own file creates or calls."""
    return [item for item in request.relevance if item.file is not None and item.file == context.file]


def guarded(read: Callable[[str], Proposal]) -> Callable[[str], Proposal]:
    """The same reader, with a typed failure for answers that are empty, too long or too deep."""

    def reading(answer: str) -> Proposal:
        if not answer.strip():
            raise EditError(FailureKind.PARSE, "the answer is empty")
        if len(answer) > _LONGEST_ANSWER:
            raise EditError(FailureKind.PARSE, f"the answer has more than {_LONGEST_ANSWER:,} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return read(answer)
        except (RecursionError, MemoryError) as error:
            raise EditError(FailureKind.PARSE, "the code is nested too deeply") from error

    return reading


def explanation(answer: str) -> tuple[str, ...]:
    """What an answer says of its changes outside of its code: its list, or else its prose."""
    lines = [line for line in _CODE.sub("", answer).splitlines() if line.strip()]
    listed = [line for line in lines if _BULLET.match(line)]
    found = [one_line(_BULLET.sub("", line)) for line in listed or lines]
    return tuple(line for line in found if line)[:_MOST_LINES]


def _chosen(answer: str, changes: Sequence[Change], context: EditContext, prompt: str) -> Proposal:
    by_key = {change.edit.key: change for change in changes}
    chosen = parse_operations(answer, [change.edit for change in changes])
    source = make_changes(context, [by_key[edit.key] for edit in chosen])
    # A small model copies the example's reason, or another edit's line: that is none.
    edits = tuple(edit.because("" if edit.reason in prompt else one_line(edit.reason)) for edit in chosen)
    return Proposal(source, edits)


def _free(request: Request, source: str, answer: str) -> Proposal:
    if ast.dump(syntax_tree(source)) == ast.dump(syntax_tree(request.source)):
        raise EditError(FailureKind.UNCHANGED, "the code is the same as before but for comments and layout")
    return Proposal(source, (), explanation(answer) or ("changed by the model, which did not say why",))
