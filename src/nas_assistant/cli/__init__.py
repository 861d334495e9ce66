"""The command line ``nas-assistant``."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_assistant.cli._app import app as app
    from nas_assistant.cli._benchmark import show_loop as show_loop

__all__ = ["app", "main", "show_loop"]

_HOMES = {"app": "_app", "show_loop": "_benchmark"}
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C where nothing is handed back is one line and exit code 130."""
    code: Any = _INTERRUPTED
    try:
        # Imported here, so that Ctrl-C meanwhile is no traceback.
        from nas_assistant.cli._app import app

        app()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        code = end.code  # Typer's is the same for Ctrl-C, without a word
    if code == _INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
    sys.exit(code)


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `main` is there at once.
    if name in _HOMES:
        return getattr(importlib.import_module(f"nas_assistant.cli.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
