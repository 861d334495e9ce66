"""Where the commands write: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def print_json(data: Any) -> None:
    """Print JSON on stdout."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_notes(notes: Iterable[str]) -> None:
    """Announce something on stderr."""
    for note in notes:
        typer.echo(f"Note: {note}", err=True)


def counted(number: int, noun: str) -> str:
    """``1 round`` or ``2 rounds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def console(*, stderr: bool = False) -> Console:
    """A console that does not fold tables where there is no terminal."""
    from rich.console import Console

    # Without markup: names of files and layers may hold brackets.
    made = Console(stderr=stderr, highlight=False, markup=False)
    if made.is_terminal:
        return made
    return Console(stderr=stderr, highlight=False, markup=False, width=160)


def coloured(text: str, colour: str) -> Text:
    """A cell in a colour."""
    from rich.text import Text

    return Text(text, style=colour)


def table(*columns: str, title: str | None = None, right: Iterable[str] = ()) -> Table:
    """An empty table; the columns in ``right`` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", show_header=any(columns))
    numbers = set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made
