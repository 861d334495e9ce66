"""Numbers that a generator is made with, and those that it draws."""

from __future__ import annotations

from nas_assistant.errors import UserError

LARGEST_SEED = 2**31 - 1


def check_range(generator: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse an option that is out of its range.

    Raises:
        UserError: It is; the message names the range.
    """
    if not low <= value <= high:
        raise UserError(f"{generator}: {name} {value}: give a number from {low:g} to {high:g}")
