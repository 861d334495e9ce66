"""The command line ``nas-assistant``."""

from __future__ import annotations

from nas_assistant.cli._app import app, main

__all__ = ["app", "main"]
