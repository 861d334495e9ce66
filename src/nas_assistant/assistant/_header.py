"""The comment lines that head a better file and its diff."""

from __future__ import annotations

import codecs
import difflib
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

MARK = "# NAS - Assist"
_CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
_LINES, _WIDTH = 8, 100


def gain_line(before: float, after: float) -> str:
    """The first line of the header (Mishra 2023, section 2.2 and its figures)."""
    return f"{MARK} (Performance Gain {before:.4f} -> {after:.4f} (CIFAR-10 Based))"


def comment(text: str) -> list[str]:
    """Further lines of the header, whatever the text holds; no line is long, nor is the whole."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return textwrap.wrap(
        plain,
        _WIDTH,
        initial_indent=f"{MARK}: ",
        subsequent_indent=f"{MARK}:   ",
        break_on_hyphens=False,
        max_lines=_LINES,
        placeholder=" ...",
    )


def strip_header(source: str) -> str:
    """The source without the header of an earlier run."""
    lines = source.splitlines(keepends=True)
    start = _preamble(lines)
    end = start
    while end < len(lines) and lines[end].startswith(MARK):
        end += 1
    return "".join((*lines[:start], *lines[end:]))


def add_header(source: str, header: Sequence[str]) -> str:
    """The source with the header as its first comments, in place of an earlier one.

    A ``#!`` line and an encoding line stay where Python and the shell look for them.
    """
    source = strip_header(source)
    lines = source.splitlines(keepends=True)
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    start = _preamble(lines)
    if start and not lines[start - 1].endswith(("\n", "\r")):
        lines[start - 1] += ending
    return "".join((*lines[:start], *(line + ending for line in header), *lines[start:]))


def make_diff(before: str, after: str, name: str, header: Sequence[str]) -> str:
    """A unified diff of two texts under the header's lines; ``patch`` reads it.

    Args:
        before: The user's file as it is.
        after: The better source, without a header.
        name: Name of the file.
        header: Comment lines to put first.
    """
    text = "".join(line + "\n" for line in header)
    end = "\t" if " " in name else ""  # tells ``patch`` where the name ends
    for line in difflib.unified_diff(
        split_lines(before), split_lines(after), fromfile=f"a/{name}{end}", tofile=f"b/{name}{end}", n=3
    ):
        text += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return text


def split_lines(text: str) -> list[str]:
    """The lines of a text as ``patch`` counts them; ``splitlines()`` would also break at form feeds."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def byte_order_mark(path: Path) -> str:
    """What a file begins with where it has a byte order mark, which is no part of the text that is read."""
    try:
        with path.open("rb") as file:
            marked = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return ""
    return codecs.BOM_UTF8.decode() if marked else ""


def _preamble(lines: Sequence[str]) -> int:
    """How many of the first lines have to stay first."""
    count = 1 if lines and lines[0].startswith("#!") else 0
    for index, line in enumerate(lines[:2]):
        if _CODING.match(line) and all(part.lstrip().startswith("#") for part in lines[:index]):
            return max(count, index + 1)
    return count
