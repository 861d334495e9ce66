"""Prompts for language models: the annotated source, the ranking, the history and the templates."""

from __future__ import annotations

import hashlib
import io
import math
import re
import tokenize
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_assistant.costs import bytes_text, seconds_text
from nas_assistant.errors import Failure, UserError
from nas_assistant.generators._marks import disarm
from nas_assistant.generators._templates import Prompt, own_prompt
from nas_assistant.graphs import Operation

if TYPE_CHECKING:
    from nas_assistant.edits import Edit
    from nas_assistant.generators._base import Attempt, Constraints, Request
    from nas_assistant.relevance import LayerRelevance

Message = dict[str, str]
"""One turn of a conversation: ``role`` and ``content``."""

CHARACTERS_PER_TOKEN = 4
_HISTORY = 20
_RANKED = 20
_LONGEST = 300
_ANNOTATION = re.compile(
    r"(?:(?<![ \t])[ \t]+)?# relevance [+-]\d+\.\d{3}(?: \(sum of \d+ layers\))?(?=[ \t]*\r?$)", re.MULTILINE
)
_NEWLINE = re.compile(r"(\r\n|\r|\n)")


def annotate(source: str, relevance: Sequence[LayerRelevance]) -> str:
    """Write each layer's relevance behind its line, as ``# relevance +0.123`` (Mishra 2023, section 2.2).

    Args:
        source: A Python file.
        relevance: Layers of that file; those without a line are left out. Where several layers share a line,
            the sum stands there. A line that cannot take a comment (it ends in a backslash, or inside a
            string) is annotated where its statement allows it next.
    """
    pieces = _NEWLINE.split(source)
    lines, newlines = pieces[::2], pieces[1::2]
    weights: dict[int, list[float]] = defaultdict(list)
    for item in relevance:
        if item.line is not None and math.isfinite(item.weight):
            weights[item.line].append(item.weight)
    room = _lines_with_room(source, len(lines))
    notes: dict[int, list[float]] = defaultdict(list)
    for line, found in weights.items():
        place = next((number for number in room if number >= line), None)
        if place is not None and 1 <= line <= len(lines):
            notes[place].extend(found)
    for place, found in notes.items():
        several = f" (sum of {len(found)} layers)" if len(found) > 1 else ""
        lines[place - 1] += f"  # relevance {sum(found):+.3f}{several}"
    return "".join(line + newline for line, newline in zip(lines, [*newlines, ""], strict=True))


def strip_annotations(text: str) -> str:
    """Take out what :func:`annotate` writes, from a source or from an answer that repeats it."""
    return _ANNOTATION.sub("", text)


def _lines_with_room(source: str, count: int) -> list[int]:
    """Numbers of the lines whose end is outside of strings and continuations, ascending."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source, newline=None).readline))
    except (tokenize.TokenError, SyntaxError):
        return list(range(1, count + 1))
    ends = (tokenize.NEWLINE, tokenize.NL)
    return sorted({token.start[0] for token in tokens if token.type in ends})


def one_line(text: str, longest: int = _LONGEST) -> str:
    """A text as one printable line, marked with ``…`` where it is longer than ``longest`` characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def make_messages(
    prompt: Prompt | str,
    request: Request,
    relevance: Sequence[LayerRelevance],
    edits: Sequence[Edit] = (),
    **more: str,
) -> list[Message]:
    """The conversation that opens a task.

    Args:
        prompt: A prompt, or the name of one of this package.
        request: What is asked for.
        relevance: The layers of the request that are in its source.
        edits: The listing to choose from.
        **more: Further values of the prompt.
    """
    from nas_assistant.edits import edit_id

    source = annotate(request.source, relevance)
    marker = hashlib.sha256(source.encode()).hexdigest()[:12]
    listing = (f"{edit_id(place)}: {one_line(edit.describe())}" for place, edit in enumerate(edits))
    values = {
        "entry": one_line(request.entry, 100),
        "framework": request.framework,
        "accuracy": f"{request.accuracy:.4f}",
        "target": f"{request.target:.4f}",
        "input_shape": str(request.graph.input_shape),
        "parameters": f"{request.graph.parameters:,}",
        "operations": ", ".join(_operations(request)),
        "budget": _budget(request),
        "listed": "",
        "rules": _rules(request.constraints),
        "ranking": _data("ranking", _ranking(request.relevance, relevance), marker),
        "source": _data("source", source, marker),
        "edits": _data("edits", "\n".join(listing), marker),
        "history": _data("history", _history(request.history), marker),
        **more,
    }
    prompt = own_prompt(prompt) if isinstance(prompt, str) else prompt
    return [
        {"role": "system", "content": own_prompt("system").fill(marker=marker)},
        {"role": "user", "content": prompt.fill(**values)},
    ]


def repair_messages(messages: Sequence[Message], answer: str, failure: Failure, limit: int) -> list[Message]:
    """The task again, with the last answer and what was wrong with it.

    Args:
        messages: The conversation that opened the task.
        answer: The answer that cannot be used.
        failure: Why.
        limit: Tokens that the conversation may have; where the answer does not fit it is left out, and the
            conversation says so.
    """
    place = f" (line {failure.line})" if failure.line else ""
    content = own_prompt("repair").fill(kind=failure.kind.value, message=failure.message + place)
    repair = {"role": "user", "content": content}
    told = answer if answer.strip() else "(an empty answer)"
    whole = [*messages, {"role": "assistant", "content": told}, repair]
    if count_tokens(whole) <= limit:
        return whole
    told = f"(an answer of {len(answer):,} characters, left out here)"
    return [*messages, {"role": "assistant", "content": told}, repair]


def count_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a conversation, estimated as one for each four characters."""
    return math.ceil(sum(len(message["content"]) for message in messages) / CHARACTERS_PER_TOKEN)


def check_size(messages: Sequence[Message], context_tokens: int) -> None:
    """Refuse a prompt that is too long.

    Raises:
        UserError: It has more tokens than the limit.
    """
    tokens = count_tokens(messages)
    if tokens > context_tokens:
        raise UserError(
            f"the prompt has about {tokens:,} tokens (estimated at {CHARACTERS_PER_TOKEN} characters each), "
            f"more than context_tokens {context_tokens:,}: raise it if the model reads that much, or give a "
            "shorter model file"
        )


def _data(name: str, text: str, marker: str) -> str:
    # The marker is a digest of the source, so that the source cannot hold the line that ends it; nor may it
    # hold a mark that ends the whole turn, which some servers would take for their own.
    text = disarm(text, chat=True)
    end = "" if text.endswith("\n") else "\n"
    return f"--- begin {name} {marker} ---\n{text}{end}--- end {name} {marker} ---"


def _ranking(relevance: Sequence[LayerRelevance], own: Sequence[LayerRelevance]) -> str:
    if not relevance:
        return "(no layer could be ranked)"
    ranked = sorted(relevance, key=lambda item: item.weight)
    known = frozenset(own)  # a line of another file would mislead
    lines = [
        f"{rank}. {one_line(item.layer, 120) or '(the model itself)'} ({item.op}"
        + (f", line {item.line}" if item.line and item in known else "")
        + f"): {item.weight:+.3f}"
        for rank, item in enumerate(ranked, start=1)
    ]
    if len(lines) > _RANKED:
        half = _RANKED // 2
        lines[half:-half] = [f"({len(lines) - 2 * half} layers between these left out)"]
    return "\n".join(lines)


def _history(history: Sequence[Attempt]) -> str:
    if not history:
        return "(nothing yet)"
    shown = history[-_HISTORY:]
    lines = [f"(the latest {len(shown)} of {len(history)})"] if len(shown) < len(history) else []
    return "\n".join([*lines, *(f"- {_attempt(attempt)}" for attempt in shown)])


def _attempt(attempt: Attempt) -> str:
    what = "; ".join(one_line(change) for change in attempt.changes) or "(an answer that could not be used)"
    if attempt.failure is not None:
        return f"{what} -> failed ({attempt.failure.kind.value}): {one_line(attempt.failure.message)}"
    if attempt.accuracy is None:
        return f"{what} -> not predicted"
    gain = f", gain {attempt.gain:+.4f}" if attempt.gain is not None else ""
    doubt = "" if attempt.trusted else " (unlike what the predictor knows: the low end of its gain counts)"
    return f"{what} -> predicted accuracy {attempt.accuracy:.4f}{gain}{doubt}"


def _rules(constraints: Constraints) -> str:
    rules = []
    if constraints.max_parameters is not None:
        rules.append(f"The new model may have at most {constraints.max_parameters:,} parameters.")
    if constraints.max_flops is not None:
        rules.append(f"One sample may cost at most {constraints.max_flops:,} floating-point operations.")
    if constraints.max_memory is not None:
        rules.append(f"Parameters and activations may take at most {bytes_text(constraints.max_memory)}.")
    if constraints.max_latency is not None:
        rules.append(f"A forward pass may take at most {seconds_text(constraints.max_latency)}.")
    if constraints.allowed_operations is not None:
        rules.append(
            f"Only these operations are allowed: {', '.join(sorted(constraints.allowed_operations))}."
        )
    return "".join(rule + "\n" for rule in rules)


def _budget(request: Request) -> str:
    """What is left of parameters and operations.

    Rounds, tokens and dollars are left out: a resumed run, whose limits on them may be others, has to ask in
    the same words, to find what it paid for.
    """
    limits, graph, left = request.constraints, request.graph, []
    if limits.max_parameters is not None:
        left.append(f"{max(limits.max_parameters - graph.parameters, 0):,} more parameters")
    if limits.max_flops is not None:
        left.append(
            f"{max(limits.max_flops - graph.flops, 0):,} more floating-point operations of one sample"
        )
    return "; ".join(left) or "no limit is set"


def _operations(request: Request) -> list[str]:
    """Names of the operations that a new model may use."""
    allowed = request.constraints.allowed_operations
    ends = {Operation.INPUT.value, Operation.OUTPUT.value}
    return sorted((allowed or {node.op.value for node in request.graph}) - ends)
