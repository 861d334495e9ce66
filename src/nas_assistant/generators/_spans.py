"""Which pieces of a source a model is to write anew: those of the layers that hurt."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

if TYPE_CHECKING:
    from nas_assistant.edits import EditContext
    from nas_assistant.generators._base import Request

_COUNTS = (1, 2, 3)
_COUNTS_WEIGHTS = (0.6, 0.3, 0.1)
_LEAST = 0.1
_STATEMENTS = (cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Return, cst.Expr)

Place = tuple[int, int]
"""Line (1-based) and column (0-based, in characters)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a source.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        code: Its text.
        layer: Dotted name of its first layer, or of the operation.
        weight: Sum of the relevance of its layers.
        statement: Whether it is a whole statement rather than the call that constructs a layer.
    """

    start: Place
    end: Place
    code: str
    layer: str
    weight: float
    statement: bool

    @property
    def line(self) -> int:
        """The line that it begins on."""
        return self.start[0]

    @property
    def several_lines(self) -> bool:
        """Whether it has more than one line."""
        return self.start[0] != self.end[0]

    def overlaps(self, other: Span) -> bool:
        """Whether the two have a place in common."""
        return self.start < other.end and other.start < self.end


def find_spans(request: Request, context: EditContext) -> list[Span]:
    """The spans of all layers of the file, the most hurtful first.

    A layer's span is the call that constructs it, with the call that applies it where that follows at once;
    that of an operation without a constructor is its statement. A span that several layers share has their
    sum.
    """
    calls = {node.layer: item for item in context.layers for node in item.nodes}
    weights: dict[cst.CSTNode, float] = defaultdict(float)
    names: dict[cst.CSTNode, str] = {}
    for item in request.relevance:
        if item.file is None or item.file != context.file or item.line is None:
            continue
        found = calls.get(item.layer)
        if found is not None and context.tree.line(found.call) == item.line:
            node: cst.CSTNode | None = _applied(context, found.call)
        else:
            node = _statement(context, item.line)
        if node is not None:
            weights[node] += item.weight
            names.setdefault(node, item.layer or item.op)
    spans = [_span(context, node, names[node], weight) for node, weight in weights.items()]
    return sorted(spans, key=lambda span: (span.weight, span.start))


def draw_spans(spans: Sequence[Span], most: int, request: Request, seed: int) -> list[Span]:
    """One or several spans that do not overlap, in the order of the file.

    Those that hurt are drawn by how much, and less often where the history has tried them; where none hurts,
    that which helps least.

    Args:
        spans: As :func:`find_spans` gives them.
        most: Most spans to draw.
        request: Whose history counts.
        seed: Of the draw.
    """
    hurtful = [span for span in spans if span.weight < 0] or list(spans[:1])
    draw = random.Random(f"{seed}/{len(request.history)}/{request.source}")
    counts = _COUNTS[: min(most, len(_COUNTS))]
    wanted = draw.choices(counts, _COUNTS_WEIGHTS[: len(counts)])[0]
    largest = max((abs(span.weight) for span in hurtful), default=0.0) or 1.0
    told = [line for attempt in request.history for line in attempt.explanation]
    chosen: list[Span] = []
    while hurtful and len(chosen) < wanted:
        uses = [sum(line.startswith(name_of(span)) for line in told) for span in hurtful]
        weights = [
            (abs(span.weight) / largest + _LEAST) / (1 + used)
            for span, used in zip(hurtful, uses, strict=True)
        ]
        span = draw.choices(hurtful, weights)[0]
        chosen.append(span)
        hurtful = [other for other in hurtful if not other.overlaps(span)]
    return sorted(chosen, key=lambda span: span.start)


def name_of(span: Span) -> str:
    """What was done to a span, as every line about it begins."""
    return f"refill {span.layer} (line {span.line})"


def split_at(text: str, spans: Sequence[Span]) -> list[str]:
    """The text around spans: one more part than spans.

    Args:
        text: The source of the spans, or the same with more behind its lines.
        spans: In the order of the file.
    """
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    parts, position = [], 0
    for span in spans:
        parts.append(text[position : starts[span.start[0] - 1] + span.start[1]])
        position = starts[span.end[0] - 1] + span.end[1]
    return [*parts, text[position:]]


def _applied(context: EditContext, call: cst.Call) -> cst.Call:
    """The call, or the call of what it gives."""
    parent = context.tree.parents.get(call)
    return _applied(context, parent) if isinstance(parent, cst.Call) and parent.func is call else call


def _statement(context: EditContext, line: int) -> cst.CSTNode | None:
    """The simple statement that a line is part of."""
    for node in context.tree.nodes(cst.SimpleStatementLine):
        assert isinstance(node, cst.SimpleStatementLine)
        if len(node.body) == 1 and isinstance(node.body[0], _STATEMENTS):
            start, end = context.tree.span(node.body[0])
            if context.tree.place(start)[0] <= line <= context.tree.place(end)[0]:
                return node.body[0]
    return None


def _span(context: EditContext, node: cst.CSTNode, layer: str, weight: float) -> Span:
    tree = context.tree
    start, end = tree.span(node)
    return Span(
        _place(context, start),
        _place(context, end),
        tree.code(node),
        layer,
        weight,
        not isinstance(node, cst.Call),
    )


def _place(context: EditContext, offset: int) -> Place:
    """A place in characters, from an offset in bytes."""
    tree = context.tree
    return tree.place(offset)[0], len(tree.data[tree.line_start(offset) : offset].decode())
