"""The command line ``nas-assistant``."""

from __future__ import annotations

from nas_assistant.cli._app import app, main
from nas_assistant.cli._benchmark import show_loop

__all__ = ["app", "main", "show_loop"]
