"""Text of a user or of a model, made safe to be shown."""

from __future__ import annotations

import html
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""Text in which what would not show, or would reorder the line, is a visible escape.

    Control characters and marks of writing direction come out as ``\u202e`` and the like, so that a diff
    reads as Python reads it, and nothing reaches a terminal that is no text.
    """
    return "".join(_shown(letter) for letter in text)


def escaped(text: object) -> str:
    """Visible text for an element or a quoted attribute of a page."""
    return html.escape(visible(str(text)))


def verbatim(text: str) -> str:
    """Text for a quoted attribute, from which a script gets it back letter for letter."""
    return html.escape(text).replace("\r", "&#13;").replace("\n", "&#10;")


def lines_of(source: str) -> list[str]:
    """Lines as Python counts them, without their ends."""
    return source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _shown(letter: str) -> str:
    if letter in "\t\n" or unicodedata.category(letter) not in _HIDDEN:
        return letter
    return letter.encode("unicode_escape").decode()
