"""Prompts as files: those of this package, one for each format and strictness, and a user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal, get_args

from nas_assistant.errors import UserError

Format = Literal["operations", "whole_file", "search_replace"]
"""What is asked for: a choice among the legal edits, the whole file anew, or changed pieces of it."""

VALUES = (
    "accuracy",
    "budget",
    "edits",
    "entry",
    "framework",
    "history",
    "input_shape",
    "listed",
    "operations",
    "parameters",
    "ranking",
    "rules",
    "source",
    "target",
)
"""What a prompt may say as ``$name``."""

STRICT = "_strict"
_THESIS = "thesis"
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text with places to fill in.

    Attributes:
        name: Of the file, without its suffix for those of this package.
        format: What it asks for.
        text: The text; ``$name`` is one of :data:`VALUES`, ``$$`` a dollar sign.
    """

    name: str
    format: Format
    text: str

    def fill(self, **values: str) -> str:
        """The text with its places filled in."""
        return Template(self.text).substitute(values)


def list_prompts() -> list[str]:
    """Names of the prompts of this package."""
    formats = get_args(Format)
    return [name + end for name in (*formats, _THESIS) for end in ("", STRICT)]


def find_prompt(name_or_file: str, format: Format | None = None) -> Prompt:
    """A prompt of this package by its name, or a user's own by its path.

    Args:
        name_or_file: One of :func:`list_prompts`, or the path of a text file.
        format: What the answer has to be; that of the named prompt by default, ``operations`` for a file.

    Raises:
        UserError: There is no such prompt, it is for another format, or has places that cannot be filled in.
    """
    if name_or_file in list_prompts():
        own = own_prompt(name_or_file)
        if format is not None and own.format != format:
            raise UserError(
                f"--prompt {name_or_file}: asks for the format {own.format}, not --format {format}"
            )
        return own
    path = Path(name_or_file)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"--prompt {path}: more than {_MOST_BYTES:,} bytes, that is no prompt")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = ", ".join(list_prompts())
        raise UserError(f"--prompt {path}: no such file: give one, or choose one of {names}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"--prompt {path}: cannot be read: {reason}") from None
    wanted: Format = "operations" if format is None else format
    _check(path, text, wanted)
    return Prompt(path.name, wanted, text)


@cache
def own_prompt(name: str) -> Prompt:
    """A prompt of this package, or another text of it such as ``system``."""
    text = files("nas_assistant.generators").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    format: Format = next((each for each in get_args(Format) if name.startswith(each)), "whole_file")
    return Prompt(name, format, text)


def _check(path: Path, text: str, format: str) -> None:
    for found in Template.pattern.finditer(text):
        name = found["named"] or found["braced"]
        line = text.count("\n", 0, found.start()) + 1
        if found["invalid"] is not None:
            raise UserError(f"{path}:{line}: a $ without a name behind it: write $$ for a dollar sign")
        if name is not None and name not in VALUES:
            raise UserError(
                f"{path}:{line}: no value ${name}: use one of {', '.join(VALUES)}, or $$ for a dollar sign"
            )
    for name in ("source", "edits") if format == "operations" else ("source",):
        if not re.search(rf"(?<!\$)(?:\$\$)*\$(?:{name}\b|{{{name}}})", text):
            raise UserError(f"{path}: a prompt for the format {format} has to say ${name}")
