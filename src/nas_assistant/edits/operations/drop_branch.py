"""A sum of branches with one less."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._places import without_statement
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._helpers import nodes_of
from nas_assistant.graphs import Node

_FORWARD = ("forward", "call")


class DropBranch(BaseEditOperation):
    """Leaves a term out of a sum in the forward pass: ``self.left(x) + self.right(x)`` becomes one of them.

    A layer that runs nowhere else goes with it; the identity of ``x + self.branch(x)`` stays. Whether the
    other term has the sum's shape is not followed: the sandbox has to check the result.
    """

    name = "drop_branch"
    summary = "a sum of branches without one of them"
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Terms of sums in methods that run the network, but for those that all before them is for."""
        for node in context.tree.nodes(cst.BinaryOperation):
            if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Add):
                continue
            method = context.tree.enclosing(node, cst.FunctionDef)
            owner = context.tree.enclosing(node, cst.ClassDef)
            forward = isinstance(method, cst.FunctionDef) and method.name.value in _FORWARD
            if not forward or owner is None or not (_runs(node.left) or _runs(node.right)):
                continue
            assert isinstance(method, cst.FunctionDef)
            for gone, kept in ((node.left, node.right), (node.right, node.left)):
                if isinstance(gone, cst.Name) and _is_spare(context, gone, kept, method):
                    yield self._change(context, node, gone, kept, gone.value, [], [])
                elif isinstance(gone, cst.Call) and dotted(gone.func).startswith("self."):
                    name = dotted(gone.func).removeprefix("self.")
                    nodes, constructor = nodes_of(context, name, owner), _constructor(context, name, owner)
                    # Without what only hands on (stochastic depth), all before it would have no use.
                    if nodes and constructor is not None:
                        yield self._change(context, node, gone, kept, name, nodes, constructor)

    def _change(
        self,
        context: EditContext,
        node: cst.BinaryOperation,
        gone: cst.BaseExpression,
        kept: cst.BaseExpression,
        layer: str,
        nodes: list[Node],
        constructor: list[Replacement],
    ) -> Change:
        tree = context.tree
        start, end = tree.span(node)
        # The offset of the term tells those of one sum apart.
        what = {"what": tree.code(gone)[:60]}
        edit = self.edit(context, tree.span(gone)[0], layer, what, shape_safe=False)
        replacements = (*constructor, Replacement(start, end, tree.code(kept)))
        return Change(edit, replacements, relevant=tuple(item.id for item in nodes))


def _runs(term: cst.BaseExpression) -> bool:
    """Whether a term calls a layer."""
    if isinstance(term, cst.BinaryOperation):
        return _runs(term.left) or _runs(term.right)
    return isinstance(term, cst.Call) and dotted(term.func).startswith("self.")


def _is_spare(
    context: EditContext, name: cst.Name, kept: cst.BaseExpression, method: cst.FunctionDef
) -> bool:
    """Whether a variable is read elsewhere, too, and is not the identity beside a branch computed from it."""
    tree = context.tree
    named = (item for item in tree.nodes(cst.Name) if getattr(item, "value", "") == name.value)
    reads = [
        item
        for item in named
        if tree.inside(item, method) and not isinstance(tree.parents[item], cst.AssignTarget | cst.Param)
    ]
    steps = _steps(context, method)
    stands_for = {value.value for to, value in steps if to == {name.value} and isinstance(value, cst.Name)}
    sources = _variables(kept)
    while more := {read for to, value in steps if to & sources for read in _variables(value)} - sources:
        sources |= more
    return len(reads) > 1 and not sources & {name.value, *stands_for}


def _steps(context: EditContext, method: cst.FunctionDef) -> list[tuple[set[str], cst.BaseExpression]]:
    """The assignments of a method: the variables and the value."""
    found = []
    for item in context.tree.nodes(cst.Assign, cst.AnnAssign, cst.AugAssign):
        assert isinstance(item, cst.Assign | cst.AnnAssign | cst.AugAssign)
        if item.value is not None and context.tree.inside(item, method):
            targets = item.targets if isinstance(item, cst.Assign) else [item]
            found.append((set[str]().union(*(_variables(each.target) for each in targets)), item.value))
    return found


def _variables(node: cst.CSTNode) -> set[str]:
    """The variables that a piece of source names; ``self`` is none."""
    if isinstance(node, cst.Name):
        return {node.value} - {"self"}
    children = [node.value] if isinstance(node, cst.Attribute) else node.children
    return set[str]().union(*map(_variables, children))


def _constructor(context: EditContext, name: str, owner: cst.CSTNode) -> list[Replacement] | None:
    """What takes the constructor of a layer away: nothing if it runs again, None if it has to stay."""
    tree = context.tree
    uses = [use for use in context.attribute_uses(name) if tree.inside(use, owner)]
    made = [use for use in uses if isinstance(tree.parents[use], cst.AssignTarget | cst.AnnAssign)]
    if len(uses) - len(made) > 1:
        return []
    if _is_read_elsewhere(context, name, owner):
        return None
    statement = tree.statement(made[0]) if len(made) == 1 else None
    gone = None if statement is None else without_statement(context, statement)
    return None if gone is None else [gone]


def _is_read_elsewhere(context: EditContext, name: str, owner: cst.CSTNode) -> bool:
    """Whether a class that builds on this one, or anything through another object, may read an attribute."""
    assert isinstance(owner, cst.ClassDef)
    for node in context.attributes(name):
        around = context.tree.enclosing(node, cst.ClassDef)
        bases = around.bases if isinstance(around, cst.ClassDef) else ()
        if dotted(node.value) != "self" or owner.name.value in {dotted(base.value) for base in bases}:
            return True
    return False
