"""Costs as a person reads them."""

from __future__ import annotations


def seconds_text(seconds: float) -> str:
    """Seconds in the unit that suits, such as ``3.42 ms``."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def bytes_text(count: float) -> str:
    """Bytes in the unit that suits, such as ``1.25 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def cost_text(objective: str, value: float) -> str:
    """A value of an objective, by its unit."""
    if objective == "accuracy":
        return f"{value:.4f}"
    if objective == "latency":
        return seconds_text(value)
    if objective == "memory":
        return bytes_text(value)
    return f"{value:,.0f}"
