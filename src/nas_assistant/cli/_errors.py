"""Turns bad input into one line and an exit code."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from nas_assistant.errors import UserError

NOTHING_BETTER = 1
BAD_INPUT = 2

# Of Click, or of the copy of it that newer versions of Typer hold.
_UsageError: Any = typer.BadParameter.__base__


class ErrorGroup(TyperGroup):
    """Commands whose bad input ends with one line on stderr and exit code 2."""

    def make_context(self, info_name: Any, args: list[str], *others: Any, **extra: Any) -> Any:
        """Read the options before the name of a command."""
        with _told_in_one_line():
            _refuse_empty(str(info_name), args)
            return super().make_context(info_name, args, *others, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _told_in_one_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        message = str(error)
    except BrokenPipeError:
        raise  # a reader that has seen enough; Click ends quietly
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}; name another path, or mend this one"
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        told = error.format_message().rstrip(".")
        where = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        message = f"{told[:1].lower()}{told[1:]}{where}"
    else:
        return
    typer.echo(f"Error: {' '.join(message.split())}", err=True)
    raise typer.Exit(BAD_INPUT)


def _refuse_empty(program: str, args: Sequence[str]) -> None:
    """Refuse values that are empty: as a path, they would be the current folder."""
    for before, value in itertools.pairwise([program, *args]):
        option, equals, rest = value.partition("=")
        if equals and option.startswith("--"):
            before, value = option, rest
        if not value.strip():
            raise UserError(f"the value after {before} is empty")
