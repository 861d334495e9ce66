"""In the child: the inputs that a model's forward pass takes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nas_assistant.errors import FailureKind
from nas_assistant.sources._arguments import defined_line
from nas_assistant.sources._load import JobFailure
from nas_assistant.sources._source import syntax_tree

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_one_input(
    model: object, forward: Callable[..., Any], path: Path, remedy: str, given: str = ""
) -> None:
    """See that a model takes one input; a batch of two samples would come apart like a pair of them.

    Args:
        model: The model.
        forward: Its forward pass, a bound method.
        path: The user's file.
        remedy: What to do.
        given: Name of an argument that is no input.

    Raises:
        JobFailure: It takes several.
    """
    line, names = defined_line(forward, path), _required(forward, given)
    if len(names) == 1 and line:
        names = _parts(forward, names[0])
    if len(names) < 2:
        return
    place = f"{path.name}:{line}" if line else path.name
    told = f"{type(model).__name__} takes {len(names)} inputs ({', '.join(names)})"
    raise JobFailure(FailureKind.SHAPE, f"{place}: {told}, and only one is supported: {remedy}", line)


def _required(function: Callable[..., Any], given: str) -> list[str]:
    """Names of the arguments without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    needed = (one for one in parameters if one.default is one.empty and one.kind not in _VARIADIC)
    return [one.name for one in needed if one.name != given]


def _parts(function: Callable[..., Any], name: str) -> list[str]:
    """What a function takes an argument apart into: by ``a, b = inputs``, or by index or key."""
    try:
        found = syntax_tree(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return []
    parts: dict[str, None] = {}
    for statement in found.body if isinstance(found, ast.FunctionDef) else ():
        if isinstance(statement, ast.Assign) and _is_name(statement.value, name):
            target = statement.targets[0]
            return [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else []
        again = any(_is_name(node, name, ast.Store) for node in ast.walk(statement))
        if again and hasattr(statement, "body"):
            break  # from somewhere in there on it is something else
        parts |= dict.fromkeys(ast.unparse(node) for node in _subscripts(statement, name))
        if again:
            break
    return list(parts)


def _subscripts(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """Where a name has a constant index or key, but not in what may have a name like that of its own."""
    match node:
        case (
            ast.Lambda()
            | ast.FunctionDef()
            | ast.ListComp()
            | ast.SetComp()
            | ast.DictComp()
            | ast.GeneratorExp()
        ):
            return
        case ast.Subscript(value, ast.Constant()) if _is_name(value, name):
            yield node
    for child in ast.iter_child_nodes(node):
        yield from _subscripts(child, name)


def _is_name(node: ast.AST, name: str, context: type[ast.expr_context] = ast.Load) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, context)
