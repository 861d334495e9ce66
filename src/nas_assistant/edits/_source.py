"""A source file as a concrete syntax tree with byte positions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper

from nas_assistant.edits._edit import EditError
from nas_assistant.errors import FailureKind

SCOPES = (cst.FunctionDef, cst.Lambda, cst.Module)


class SourceTree:
    """The syntax tree of one file; every position is an offset in UTF-8 bytes.

    Args:
        text: The file.

    Raises:
        EditError: It does not parse (``parse``).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        try:
            wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
            spans = wrapper.resolve(ByteSpanPositionProvider)
        except (cst.ParserSyntaxError, RecursionError) as error:
            line = getattr(error, "raw_line", None)
            raise EditError(FailureKind.PARSE, f"the source does not parse (line {line})", line) from error
        self.module = wrapper.module
        self._spans: dict[cst.CSTNode, CodeSpan] = dict(spans)
        self._starts = [0, *(found.end() for found in re.finditer(rb"\n", self.data))]
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self._by_kind: dict[type[cst.CSTNode], list[tuple[int, cst.CSTNode]]] = defaultdict(list)
        self._walk(self.module)

    def _walk(self, root: cst.CSTNode) -> None:
        stack = [root]
        position = 0
        while stack:
            node = stack.pop()
            self._by_kind[type(node)].append((position, node))
            position += 1
            for child in reversed(node.children):
                self.parents[child] = node
                stack.append(child)

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Start and end of a node, without the whitespace and comma around it."""
        span = self._spans[node]
        return span.start, span.start + span.length

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    def place(self, offset: int) -> tuple[int, int]:
        """Line (1-based) and column (0-based, in bytes) of an offset."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= offset else (low, middle)
        return low + 1, offset - self._starts[low]

    def line(self, node: cst.CSTNode) -> int:
        """Line on which a node starts."""
        return self.place(self.span(node)[0])[0]

    def offset(self, line: int, column: int) -> int | None:
        """Offset of a place, or None outside the file."""
        return self._starts[line - 1] + column if 1 <= line <= len(self._starts) else None

    def line_start(self, offset: int) -> int:
        """Offset of the start of the line that holds ``offset``."""
        return self._starts[self.place(offset)[0] - 1]

    def line_end(self, offset: int) -> int:
        """Offset of the line break that ends the line of ``offset`` (or the end of the file)."""
        found = re.compile(rb"\r?\n|$").search(self.data, offset)
        return found.start() if found else len(self.data)

    def indentation(self, offset: int) -> str | None:
        """The whitespace before ``offset`` when nothing else stands before it on its line."""
        before = self.data[self.line_start(offset) : offset].decode()
        return before if not before.strip() else None

    @cached_property
    def newline(self) -> str:
        """The file's line break."""
        return "\r\n" if b"\r\n" in self.data else "\n"

    def nodes(self, *kinds: type[cst.CSTNode]) -> Iterator[cst.CSTNode]:
        """Nodes of some kinds, not of their subclasses, in the order of the file."""
        found = [item for kind in kinds for item in self._by_kind.get(kind, ())]
        if len(kinds) > 1:
            found.sort(key=lambda item: item[0])
        return (node for _, node in found)

    @cached_property
    def calls(self) -> dict[int, list[cst.Call]]:
        """Calls by the offset at which they start, outermost first."""
        found: dict[int, list[cst.Call]] = defaultdict(list)
        for node in self.nodes(cst.Call):
            assert isinstance(node, cst.Call)
            found[self.span(node)[0]].append(node)
        return dict(found)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        parent = self.parents.get(node)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent)

    def enclosing(self, node: cst.CSTNode, *kinds: type[cst.CSTNode]) -> cst.CSTNode | None:
        """The innermost node of some kinds around a node."""
        return next((item for item in self.ancestors(node) if isinstance(item, kinds)), None)

    def inside(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        """Whether ``outer`` is ``node`` or around it."""
        return node is outer or any(item is outer for item in self.ancestors(node))

    def statement(self, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
        """The one-statement line that a node is part of."""
        found = self.enclosing(node, cst.SimpleStatementLine)
        if isinstance(found, cst.SimpleStatementLine) and len(found.body) == 1:
            return found
        return None

    def shares_line(self, node: cst.CSTNode) -> bool:
        """Whether a node stands in one of several statements of a line."""
        found = self.enclosing(node, cst.SimpleStatementLine, cst.SimpleStatementSuite)
        return found is not None and len(getattr(found, "body", ())) > 1


def dotted(node: cst.BaseExpression) -> str:
    """``a.b.c`` for names and attributes, otherwise an empty string."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr.value}" if head else ""
    return ""


def self_attribute(node: cst.CSTNode) -> str | None:
    """``name`` for ``self.name``."""
    if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == "self":
        return node.attr.value
    return None


def integer(node: cst.CSTNode) -> int | None:
    """The value of an integer literal."""
    return node.evaluated_value if isinstance(node, cst.Integer) else None
