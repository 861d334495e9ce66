"""The edits that are legal on a source, and how to make them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from nas_assistant.edits._base import Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._edit import Edit, EditError
from nas_assistant.edits._lines import line_breaks
from nas_assistant.edits._registry import get_operation, operations
from nas_assistant.edits._replace import replace_all
from nas_assistant.errors import FailureKind

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph


def legal_changes(
    context: EditContext, *, allowed_operations: Collection[str] | None = None, shape_safe: bool = False
) -> Iterator[Change]:
    """The legal edits of a context with how they are made.

    Args:
        context: Source and graph.
        allowed_operations: Operations of the network that an edit may introduce; None for any. Those that
            the network has already are always allowed.
        shape_safe: Leave out the edits whose shapes only the sandbox can check.
    """
    allowed = None
    if allowed_operations is not None:
        allowed = {*allowed_operations, *(node.op.value for node in context.graph), "identity"}
    for operation in operations().values():
        seen: set[tuple[object, ...]] = set()
        for change in operation.sites(context):
            if shape_safe and not change.edit.shape_safe:
                continue
            if allowed is not None and not change.introduces <= allowed:
                continue
            if change.edit.key not in seen:
                seen.add(change.edit.key)
                yield change


def legal_edits(
    source: str,
    graph: ComputationalGraph,
    *,
    framework: str,
    allowed_operations: Collection[str] | None = None,
    shape_safe: bool = False,
) -> list[Edit]:
    """Every edit that is legal on a source, by operation and then in the order of the file.

    Args:
        source: The file.
        graph: The graph of that very file; its nodes know where they were created.
        framework: ``torch`` or ``keras``.
        allowed_operations: Names of the operations that the network may use; None for any.
        shape_safe: Only edits whose shapes are known to fit.

    Raises:
        EditError: The source does not parse.
    """
    context = EditContext(source, graph, framework)
    changes = legal_changes(context, allowed_operations=allowed_operations, shape_safe=shape_safe)
    return [change.edit for change in changes]


def apply_edits(source: str, edits: Sequence[Edit], graph: ComputationalGraph, *, framework: str) -> str:
    """Make several edits at once; all refer to the source as it is.

    Args:
        source: The file.
        edits: Edits that :func:`legal_edits` lists for it.
        graph: The graph of that very file.
        framework: ``torch`` or ``keras``.

    Raises:
        EditError: There is no edit (``unchanged``), one is not legal or two do not go together
            (``constraint``), or the result does not parse (``parse``).
    """
    if not edits:
        raise EditError(FailureKind.UNCHANGED, "no edit to make")
    context = EditContext(source, graph, framework)
    return make_changes(context, [get_operation(edit.operation).apply(context, edit) for edit in edits])


def make_changes(context: EditContext, changes: Sequence[Change]) -> str:
    """The source with several changes made.

    Raises:
        EditError: Two of them do not go together, or the result does not parse.
    """
    for position, change in enumerate(changes):
        for other in changes[:position]:
            if change.edit.key == other.edit.key or change.conflicts(other):
                message = f"{change.edit.describe()}: does not go together with {other.edit.describe()}"
                raise EditError(FailureKind.CONSTRAINT, message, change.edit.line)
    replacements = [item for change in changes for item in change.replacements]
    breaks = line_breaks(context, replacements)
    text = replace_all(context.tree.data, [*replacements, *breaks]).decode()
    try:
        compile(text, "<edited>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise EditError(FailureKind.PARSE, f"the edited source does not parse: {error}", line) from error
    return text
