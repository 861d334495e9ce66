"""Where the numbers of an expression come from: the literals behind names and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import libcst as cst

from nas_assistant.edits._source import SCOPES, SourceTree, integer, self_attribute


@dataclass(frozen=True, eq=False)
class Leaf:
    """An integer literal."""

    node: cst.Integer
    value: int


@dataclass(frozen=True, eq=False)
class Combined:
    """Two values joined by ``+``, ``*`` or ``//``."""

    operator: str
    left: Value
    right: Value


Value = Leaf | Combined
_OPERATORS: tuple[tuple[type[cst.BaseBinaryOp], str], ...] = (
    (cst.Add, "+"),
    (cst.Multiply, "*"),
    (cst.FloorDivide, "//"),
)


def leaves(value: Value) -> Iterator[Leaf]:
    """The literals of a value."""
    if isinstance(value, Leaf):
        yield value
    else:
        yield from leaves(value.left)
        yield from leaves(value.right)


def evaluate(value: Value, changes: Mapping[cst.Integer, int]) -> int:
    """The number, with some literals changed."""
    if isinstance(value, Leaf):
        return changes.get(value.node, value.value)
    left, right = evaluate(value.left, changes), evaluate(value.right, changes)
    if value.operator == "+":
        return left + right
    return left * right if value.operator == "*" else (left // right if right else 0)


class Resolver:
    """Follows names to literals through assignments that run once and in order.

    A name is followed when all its assignments stand at the top level of its function, class or file; the
    last one before the use counts. Anything that may differ from call to call (parameters, loop variables,
    assignments under a condition) is not followed.

    Args:
        tree: The file.
    """

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._followed: set[cst.CSTNode] = set()
        self._bindings: dict[cst.Integer, set[tuple[str, cst.CSTNode]]] = {}
        self.escaped: set[cst.Integer] = set()
        self._names: dict[str, list[cst.CSTNode]] = {}
        for node in tree.nodes(cst.Name):
            assert isinstance(node, cst.Name)
            self._names.setdefault(node.value, []).append(node)

    def resolve(self, expression: cst.BaseExpression) -> Value | None:
        """The value of an expression, or None where it is not known."""
        trail: list[cst.Integer] = []
        value = self._resolve(expression, trail, (), 0)
        if value is None:
            self.escaped.update(trail)
        return value

    def _resolve(
        self,
        node: cst.BaseExpression,
        trail: list[cst.Integer],
        via: tuple[tuple[str, cst.CSTNode], ...],
        depth: int,
    ) -> Value | None:
        if depth > 20:
            return None
        if isinstance(node, cst.Integer):
            trail.append(node)
            self._bindings.setdefault(node, set()).update(via)
            return Leaf(node, node.evaluated_value)
        if isinstance(node, cst.BinaryOperation):
            operator = next((sign for kind, sign in _OPERATORS if isinstance(node.operator, kind)), None)
            left = self._resolve(node.left, trail, via, depth + 1)
            right = self._resolve(node.right, trail, via, depth + 1)
            if operator is None or left is None or right is None:
                return None
            return Combined(operator, left, right)
        if isinstance(node, cst.Name):
            return self._name(node, trail, via, depth)
        if self_attribute(node) is not None:
            assert isinstance(node, cst.Attribute)
            return self._attribute(node, trail, via, depth)
        return None

    def _name(
        self, node: cst.Name, trail: list[cst.Integer], via: tuple[tuple[str, cst.CSTNode], ...], depth: int
    ) -> Value | None:
        scope = self._tree.enclosing(node, *SCOPES)
        if scope is None or isinstance(scope, cst.Lambda):
            return None
        self._followed.add(node)
        targets = [item for item in self._names[node.value] if self._binds(item, scope)]
        if not targets and not isinstance(scope, cst.Module):
            scope = self._tree.module
            targets = [item for item in self._names[node.value] if self._binds(item, scope)]
            if len(targets) != 1:
                return None
        found = self._last_before(targets, node, scope)
        if found is None:
            return None
        return self._resolve(found, trail, (*via, (node.value, scope)), depth + 1)

    def _attribute(
        self,
        node: cst.Attribute,
        trail: list[cst.Integer],
        via: tuple[tuple[str, cst.CSTNode], ...],
        depth: int,
    ) -> Value | None:
        name = node.attr.value
        owner = self._tree.enclosing(node, cst.ClassDef)
        if owner is None:
            return None
        self._followed.add(node)
        same = [
            item
            for item in self._tree.nodes(cst.Attribute)
            if self_attribute(item) == name and self._tree.enclosing(item, cst.ClassDef) is owner
        ]
        targets = [item for item in same if _target_of(self._tree, item) is not None]
        function = self._tree.enclosing(targets[0], cst.FunctionDef) if len(targets) == 1 else None
        if function is None:
            return None
        found = self._last_before(targets, node if self._tree.inside(node, function) else None, function)
        if found is None:
            return None
        return self._resolve(found, trail, (*via, ("self." + name, owner)), depth + 1)

    def _binds(self, node: cst.CSTNode, scope: cst.CSTNode) -> bool:
        """Whether a name is given a value in a scope at this place."""
        tree = self._tree
        if tree.enclosing(node, *SCOPES) is not scope:
            return False
        parent = tree.parents[node]
        if isinstance(parent, cst.Param):
            return parent.name is node
        if isinstance(parent, cst.Arg | cst.Attribute):
            return False
        stored = (
            cst.AssignTarget,
            cst.AnnAssign,
            cst.AugAssign,
            cst.For,
            cst.CompFor,
            cst.NamedExpr,
            cst.AsName,
        )
        if isinstance(parent, stored):
            return getattr(parent, "target", getattr(parent, "name", None)) is node
        if isinstance(parent, cst.Element):  # a, b = ...
            return any(
                isinstance(item, cst.AssignTarget | cst.For) and tree.inside(node, item.target)
                for item in tree.ancestors(node)
                if isinstance(item, cst.AssignTarget | cst.For)
            )
        return isinstance(parent, cst.NameItem | cst.Del | cst.ImportAlias)

    def _last_before(
        self, targets: list[cst.CSTNode], use: cst.CSTNode | None, scope: cst.CSTNode
    ) -> cst.BaseExpression | None:
        found: cst.BaseExpression | None = None
        limit = self._tree.span(self._use_statement(use))[0] if use is not None else None
        local = use is not None and self._tree.inside(use, scope)
        for target in targets:
            value = _target_of(self._tree, target)
            statement = self._tree.statement(target)
            if value is None or statement is None or not self._straight(statement, scope):
                return None
            if local and limit is not None and self._tree.span(statement)[0] >= limit:
                continue
            found = value
        return found

    def _use_statement(self, use: cst.CSTNode) -> cst.CSTNode:
        compound = (cst.For, cst.While, cst.If, cst.With, cst.Try, cst.FunctionDef, cst.ClassDef)
        return self._tree.enclosing(use, cst.SimpleStatementLine, *compound) or use

    def _straight(self, statement: cst.CSTNode, scope: cst.CSTNode) -> bool:
        parent = self._tree.parents[statement]
        if isinstance(scope, cst.Module):
            return parent is scope
        return isinstance(parent, cst.IndentedBlock) and self._tree.parents[parent] is scope

    def escapes(self, node: cst.Integer) -> bool:
        """Whether a literal is also used where nothing is known about the use.

        Call it after every slot was resolved.
        """
        if node in self.escaped:
            return True
        for name, scope in self._bindings.get(node, ()):
            if name.startswith("self."):
                uses: list[cst.CSTNode] = [
                    item for item in self._tree.nodes(cst.Attribute) if self_attribute(item) == name[5:]
                ]
            else:
                uses = [item for item in self._names[name] if self._tree.inside(item, scope)]
            for use in uses:
                if use not in self._followed and not self._harmless(use):
                    return True
        return False

    def _harmless(self, use: cst.CSTNode) -> bool:
        """Whether a name at this place does not read the value."""
        parent = self._tree.parents[use]
        if isinstance(parent, cst.Arg):
            return parent.keyword is use
        if isinstance(parent, cst.Attribute):
            return isinstance(use, cst.Name) and parent.attr is use
        if isinstance(parent, cst.Param):
            return parent.name is use
        return isinstance(parent, cst.AssignTarget | cst.AnnAssign) and parent.target is use


def _target_of(tree: SourceTree, node: cst.CSTNode) -> cst.BaseExpression | None:
    """The value of ``node = value``, when the statement assigns to it alone."""
    parent = tree.parents[node]
    if isinstance(parent, cst.AssignTarget):
        assign = tree.parents[parent]
        if isinstance(assign, cst.Assign) and len(assign.targets) == 1:
            return assign.value
    if isinstance(parent, cst.AnnAssign) and parent.target is node:
        return parent.value
    return None


def literal(expression: cst.BaseExpression) -> int | tuple[int, ...] | str | None:
    """An integer, a string, or a tuple or list of integers that is written out."""
    number = integer(expression)
    if number is not None:
        return number
    if isinstance(expression, cst.SimpleString):
        text = expression.evaluated_value
        return text if isinstance(text, str) else None
    if isinstance(expression, cst.Tuple | cst.List):
        values = [integer(item.value) for item in expression.elements]
        if values and all(value is not None for value in values):
            return tuple(value for value in values if value is not None)
    return None
