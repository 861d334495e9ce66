"""Literals that a module gives names to."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator


class Literals(ast.NodeTransformer):
    """Writes literals in the place of the names that a module's top level, or its main part, gives them.

    Args:
        tree: The module.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._known: dict[str, ast.expr] = {}
        for node in _top_level(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            value = getattr(node, "value", None)
            for target in targets:
                if (
                    isinstance(target, ast.Name)
                    and value is not None
                    and _is_literal(value := self.of(value))
                ):
                    self._known[target.id] = value

    def of(self, node: ast.expr) -> ast.expr:
        """A copy of an expression with all that is known put in."""
        result: ast.expr = self.visit(copy.deepcopy(node))
        return result

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A literal for a name."""
        return copy.deepcopy(self._known.get(node.id, node))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """The arguments alone; those of ``**CFG`` each by its keyword."""
        node.args = [self.visit(value) for value in node.args]
        keywords: list[ast.keyword] = []
        for word in node.keywords:
            value = self.visit(word.value)
            if word.arg is None and isinstance(value, ast.Dict) and _is_literal(value):
                given = ast.literal_eval(value)
                keywords += [ast.keyword(str(key), ast.Constant(each)) for key, each in given.items()]
            else:
                keywords.append(ast.keyword(word.arg, value))
        node.keywords = keywords
        return node


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
