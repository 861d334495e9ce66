"""What a function takes, read from its text alone."""

from __future__ import annotations

import ast


def required_arguments(arguments: ast.arguments, *, bound: bool) -> tuple[str, ...]:
    """Names of the arguments without a default; ``bound`` leaves out ``self``."""
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)][1 if bound else 0 :]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return tuple(arg.arg for arg in (*needed, *(a for a, default in pairs if default is None)))


def keyword_only(arguments: ast.arguments) -> tuple[str, ...]:
    """Names of the arguments that can be given by keyword alone."""
    return tuple(argument.arg for argument in arguments.kwonlyargs)
