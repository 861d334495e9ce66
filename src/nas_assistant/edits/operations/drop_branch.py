"""A sum of branches with one less."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._helpers import nodes_of

_FORWARD = ("forward", "call")


class DropBranch(BaseEditOperation):
    """Leaves a term out of a sum in the forward pass: ``self.left(x) + self.right(x)`` becomes one of them.

    Whether the other term has the sum's shape is not followed: the sandbox has to check the result.
    """

    name = "drop_branch"
    summary = "a sum of branches without one of them"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Terms of sums in methods that run the network."""
        for node in context.tree.nodes(cst.BinaryOperation):
            if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Add):
                continue
            method = context.tree.enclosing(node, cst.FunctionDef)
            owner = context.tree.enclosing(node, cst.ClassDef)
            forward = isinstance(method, cst.FunctionDef) and method.name.value in _FORWARD
            if not forward or owner is None or not (_runs(node.left) or _runs(node.right)):
                continue
            for gone, kept in ((node.left, node.right), (node.right, node.left)):
                if not isinstance(gone, cst.BinaryOperation):
                    yield self._change(context, node, gone, kept, owner)

    def _change(
        self,
        context: EditContext,
        node: cst.BinaryOperation,
        gone: cst.BaseExpression,
        kept: cst.BaseExpression,
        owner: cst.CSTNode,
    ) -> Change:
        tree = context.tree
        start, end = tree.span(node)
        text = tree.code(gone)
        name = dotted(gone.func).removeprefix("self.") if isinstance(gone, cst.Call) else ""
        nodes = nodes_of(context, name, owner) if name else []
        layer = name or text[:40]
        # The offset of the term tells those of one sum apart.
        edit = self.edit(context, tree.span(gone)[0], layer, {"what": text[:60]}, shape_safe=False)
        return Change(
            edit, (Replacement(start, end, tree.code(kept)),), relevant=tuple(item.id for item in nodes)
        )


def _runs(term: cst.BaseExpression) -> bool:
    """Whether a term calls a layer."""
    if isinstance(term, cst.BinaryOperation):
        return _runs(term.left) or _runs(term.right)
    return isinstance(term, cst.Call) and dotted(term.func).startswith("self.")
