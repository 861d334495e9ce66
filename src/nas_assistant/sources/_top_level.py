"""What a file does at its top level that does not build the model."""

from __future__ import annotations

import ast

from nas_assistant.sources._names import statements

_METHODS = frozenset({".backward", ".fit", ".fit_generator", ".train_on_batch"})
# Definitions do nothing by themselves; what the others hold comes as statements of its own.
_LOOKED_INTO = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.Try, ast.With)


def training_line(tree: ast.Module) -> int | None:
    """The line of the first statement that trains a model whenever the module is imported.

    Training is what calls ``backward``, ``fit`` or the like as a method, itself or in a function of the
    module.
    """
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    trains = _METHODS
    grown = {name for name, node in functions.items() if _calls(node) & trains}
    while grown - trains:
        trains = trains | grown
        grown = {name for name, node in functions.items() if _calls(node) & trains}
    for node in statements(tree.body):
        if not isinstance(node, _LOOKED_INTO) and _calls(node) & trains:
            return node.lineno
    return None


def _calls(node: ast.AST) -> set[str]:
    """Functions that are called, by name, and methods with a dot before it."""
    found, waiting = set(), [node]
    while waiting:
        part = waiting.pop()
        if part is not node and isinstance(part, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue  # what they hold runs when they are called
        waiting += ast.iter_child_nodes(part)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            found.add(f".{part.func.attr}")
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            found.add(part.func.id)
    return found
