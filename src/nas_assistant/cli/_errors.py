"""Turns bad input into one line and an exit code."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from nas_assistant.errors import UserError

NOTHING_BETTER = 1
BAD_INPUT = 2


class ErrorGroup(TyperGroup):
    """Commands whose bad input ends with one line on stderr and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"Error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(NOTHING_BETTER) from None
