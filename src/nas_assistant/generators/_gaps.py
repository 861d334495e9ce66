"""A source with gaps in it, as a model sees it and as it is filled."""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import FailureKind
from nas_assistant.generators._marks import Style, disarm
from nas_assistant.generators._prompts import annotate
from nas_assistant.generators._spans import draw_spans, find_spans, split_at
from nas_assistant.generators._tasks import own_layers
from nas_assistant.sources import syntax_tree

if TYPE_CHECKING:
    from nas_assistant.generators._base import Request


class Gaps:
    """A request's source with gaps in it.

    Raises:
        EditError: There is nothing to fill.
    """

    def __init__(self, request: Request, seed: int, most: int) -> None:
        context = EditContext(request.source, request.graph, request.framework)
        self.spans = draw_spans(find_spans(request, context), most, request, seed)
        if not self.spans:
            raise EditError(FailureKind.CONSTRAINT, "no layer of this file has a relevance")
        self._parts = split_at(request.source, self.spans)
        self._undefined = _undefined(request.source)
        self._newline = context.tree.newline
        annotated = annotate(request.source, own_layers(request, context))
        self._shown = [disarm(part.replace("\r\n", "\n")) for part in split_at(annotated, self.spans)]

    def prompt(self, style: Style, fills: Sequence[str]) -> str:
        """What a model goes on from to fill the next gap."""
        codes = [disarm(span.code.replace("\r\n", "\n")) for span in self.spans]
        return style.prompt(self._shown, codes, [disarm(fill) for fill in fills])

    def filled(self, fills: Sequence[str]) -> str:
        """The source with its first gaps filled, and what stood there in the others."""
        codes = [fill.replace("\n", self._newline) for fill in fills]
        codes += [span.code for span in self.spans[len(fills) :]]
        return "".join(part + code for part, code in zip(self._parts, [*codes, ""], strict=True))

    def check(self, fills: Sequence[str], fill: str) -> None:
        """See that the source parses with one more fill, and uses no name that is not defined there.

        Raises:
            EditError: It does not.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                unknown = _undefined(self.filled([*fills, fill])) - self._undefined
        except (SyntaxError, ValueError) as error:
            raise EditError(FailureKind.PARSE, f"the filled file does not parse: {error}") from None
        except (RecursionError, MemoryError):
            raise EditError(FailureKind.PARSE, "the fill is nested too deeply") from None
        if unknown:
            told = f"the fill uses {min(unknown)}, which is not defined there"
            raise EditError(FailureKind.PARSE, told, self.spans[len(fills)].line)


def _undefined(source: str) -> set[str]:
    """The names that a scope reads and neither it, one around it nor Python defines.

    Raises:
        SyntaxError: The source does not parse.
    """
    if any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(syntax_tree(source))):
        return set()  # anything may be imported
    top = symtable.symtable(source, "model.py", "exec")
    tables = [top]
    for table in tables:
        tables += table.get_children()
    known = {*dir(builtins), "__file__"}
    for table in tables:
        for symbol in table.get_symbols():
            made = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
            if made and (table is top or symbol.is_declared_global()):
                known.add(symbol.get_name())
    return {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is top or symbol.is_global()) and symbol.get_name() not in known
    }
