"""``nas-assistant doctor``: what is installed and what each extra would add."""

from __future__ import annotations

from nas_assistant.cli._arguments import Json
from nas_assistant.cli._output import coloured, console, print_json, table


def doctor(as_json: Json = False) -> None:
    """Tell what is installed, what each extra would add, and how well this system can sandbox."""
    from nas_assistant.reports import diagnose

    checks = diagnose()
    if as_json:
        print_json([check.to_json() for check in checks])
        return
    shown = table("", "", "", "")
    group = ""
    for check in checks:
        mark = coloured("yes", "green") if check.ok else coloured("no", "yellow")
        shown.add_row(check.group if check.group != group else "", check.name, mark, check.detail)
        group = check.group
    console().print(shown)
