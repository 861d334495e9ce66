"""Which names of a module the value of another is computed from, read from its text alone."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator


class Flow:
    """The assignments of a module itself, those in its loops included.

    Args:
        tree: The module.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._steps: dict[str, list[tuple[int, set[str]]]] = {}  # by the name that changes: line, names read
        for part in own_nodes(tree):
            if isinstance(part, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and part.value:
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                read = set(loaded([part.value]))
                for name in {at.id for to in targets for at in ast.walk(to) if isinstance(at, ast.Name)}:
                    self._steps.setdefault(name, []).append((part.lineno, read))

    def behind(self, value: ast.expr) -> set[str]:
        """Names that a value is computed from, through the assignments before it."""
        found: set[str] = set()
        waiting = [*loaded([value])]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                steps = self._steps.get(name, [])
                waiting += [source for line, read in steps if line < value.lineno for source in read]
        return found


def own_nodes(scope: ast.FunctionDef | ast.Module) -> Iterator[ast.AST]:
    """Everything in a function or module, without what stands in functions and classes inside."""
    waiting: deque[ast.AST] = deque(scope.body)
    while waiting:
        node = waiting.popleft()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)


def loaded(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that are read."""
    for node in body:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                yield part.id


def returned(node: ast.FunctionDef) -> list[ast.expr]:
    """The values that a function returns, those of its own names in place of these."""
    local = {
        target.id: part.value
        for part in own_nodes(node)
        if isinstance(part, ast.Assign)
        for target in part.targets
        if isinstance(target, ast.Name)
    }
    values = [part.value for part in own_nodes(node) if isinstance(part, ast.Return) and part.value]
    return [local.get(value.id, value) if isinstance(value, ast.Name) else value for value in values]
