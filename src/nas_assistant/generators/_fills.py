"""What a model filled in, held to the one expression or statement that stood there."""

from __future__ import annotations

import ast
import re

from nas_assistant.edits import EditError
from nas_assistant.errors import FailureKind
from nas_assistant.generators._prompts import one_line
from nas_assistant.generators._spans import Span
from nas_assistant.sources import expression_tree, syntax_tree

LONGEST = 4000
_OPEN, _CLOSED = "([{", ")]}"
_STRING = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)


def read_fill(text: str, span: Span) -> str:
    """The fill that a model's text begins with: one expression for an expression, one statement for one.

    It ends where the text leaves the brackets that it opened, or a line outside of all brackets; an
    expression ends with a comma too.

    Args:
        text: What the model wrote from the start of the gap.
        span: What stood there.

    Raises:
        EditError: There is none (``parse``), or it is what stood there (``unchanged``).
    """
    fill = _cut(text[: LONGEST + 1].replace("\r\n", "\n"), statement=span.statement)
    if len(fill) > LONGEST:
        raise EditError(FailureKind.PARSE, f"{_where(span)} has more than {LONGEST:,} characters", span.line)
    if not (fill := fill.strip()):
        raise EditError(FailureKind.PARSE, f"{_where(span)} is empty", span.line)
    tree = _parse(fill, span)
    before = _parse(span.code.replace("\r\n", "\n"), span)
    if ast.dump(tree) == ast.dump(before):
        raise EditError(FailureKind.UNCHANGED, f"{_where(span)} is what stood there", span.line)
    if hasattr(tree, "body") and span.statement:
        raise EditError(FailureKind.PARSE, f"{_where(span)} begins a block", span.line)
    if type(tree) is not type(before) and ast.Return in (type(tree), type(before)):
        raise EditError(FailureKind.PARSE, f"{_where(span)} is another kind of statement", span.line)
    return fill


def _cut(text: str, *, statement: bool) -> str:
    depth, place = 0, 0
    while place < len(text):
        sign = text[place]
        string = _STRING.match(text, place) if sign in "'\"" else None
        if string is not None:
            place = string.end()
            continue
        depth += (sign in _OPEN) - (sign in _CLOSED)
        if depth < 0 or (depth == 0 and (sign in "\n#;" or (sign == "," and not statement))):
            return text[:place]
        place += 1
    return text


def _parse(code: str, span: Span) -> ast.AST:
    try:
        if not span.statement:
            return expression_tree(f"({code}\n)")
        (found,) = syntax_tree(f"def f():\n {code}").body[0].body  # type: ignore[attr-defined]
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "more than one statement"
        told = f"{_where(span)} does not parse ({reason}): {one_line(code, 80)}"
        raise EditError(FailureKind.PARSE, told, span.line) from None
    except (RecursionError, MemoryError):
        raise EditError(FailureKind.PARSE, f"{_where(span)} is nested too deeply", span.line) from None
    assert isinstance(found, ast.stmt)
    return found


def _where(span: Span) -> str:
    return f"what was filled in on line {span.line}"
