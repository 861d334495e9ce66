"""A source with gaps in it, as a model sees it and as it is filled."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_assistant.edits import EditContext, EditError
from nas_assistant.errors import FailureKind
from nas_assistant.generators._marks import Style, disarm
from nas_assistant.generators._prompts import annotate
from nas_assistant.generators._spans import draw_spans, find_spans, split_at
from nas_assistant.generators._tasks import own_layers

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
        tree = ast.parse(request.source)
        self._names = frozenset({*_read(tree), *_bound(tree), *dir(builtins)})
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
        """See that the source parses with one more fill, and uses no name that stands nowhere in it.

        Raises:
            EditError: It does not.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                tree = ast.parse(self.filled([*fills, fill]))
        except (SyntaxError, ValueError) as error:
            raise EditError(FailureKind.PARSE, f"the filled file does not parse: {error}") from None
        except (RecursionError, MemoryError):
            raise EditError(FailureKind.PARSE, "the fill is nested too deeply") from None
        unknown = _read(tree) - _bound(tree) - self._names
        if unknown and "*" not in self._names:
            told = f"the fill uses {min(unknown)}, which the file does not define"
            raise EditError(FailureKind.PARSE, told, self.spans[len(fills)].line)


def _read(tree: ast.AST) -> set[str]:
    """The names that are read."""
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _bound(tree: ast.AST) -> set[str]:
    """The names that are given to something anywhere; ``*`` where all of a module is imported."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found
