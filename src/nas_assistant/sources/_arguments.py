"""In the child: what a class or a function of the user's takes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas_assistant.sources._choose import EntryCall

_PLAIN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VALUES = (type(None), int, float, str, tuple, list)
_LONGEST = 40


def defined_line(function: Callable[..., Any], path: Path) -> int | None:
    """The line where a function begins, or a class's constructor, where that is in the user's file."""
    code = getattr(inspect.unwrap(_called(function)), "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == str(path) else None


def misfit(function: Callable[..., Any], call: EntryCall) -> str | None:
    """What is wrong with the arguments of a call, and which there are; None where they fit."""
    try:
        own = list(inspect.signature(_called(function)).parameters.values())
    except (TypeError, ValueError):
        return None
    if isinstance(function, type) and own and own[0].kind in _PLAIN:
        del own[0]  # self
    signature = inspect.Signature([one.replace(annotation=one.empty, default=_short(one)) for one in own])
    try:
        signature.bind(*call.arguments, **call.keywords)
    except TypeError as error:
        anything = any(one.kind is one.VAR_KEYWORD for one in own)
        unknown = () if anything else (name for name in call.keywords if name not in signature.parameters)
        wrong = next(iter(unknown), None)
        text = f"{call.name}: {error};" if wrong is None else _unknown(call.name, wrong, signature)
        return f"{text} {call.name} takes: {str(signature)[1:-1] or 'nothing'}"
    return None


def _short(one: inspect.Parameter) -> Any:
    """A default as it is told: what is no plain value, such as a tensor, in three dots."""
    plain = one.default is one.empty or isinstance(one.default, _VALUES)
    return one.default if plain and len(repr(one.default)) <= _LONGEST else _Dots()


class _Dots:
    def __repr__(self) -> str:
        return "..."


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    # Keras's __new__, which the signature of a class would be, takes anything.
    return function.__init__ if isinstance(function, type) else function  # type: ignore[misc]


def _unknown(name: str, wrong: str, signature: inspect.Signature) -> str:
    close = difflib.get_close_matches(wrong, signature.parameters, 1)
    return f"{name} has no argument {wrong!r}" + (f", did you mean {close[0]!r}?" if close else ";")
