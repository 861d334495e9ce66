"""What a search may weigh against each other."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from nas_assistant.errors import UserError

OBJECTIVES = ("accuracy", "latency", "params", "flops", "memory")
"""Accuracy is to be high, everything else low."""


def parse_objectives(names: Collection[str] | str) -> tuple[str, ...]:
    """Read ``accuracy,latency``: accuracy and one or more costs, in the order of :data:`OBJECTIVES`.

    Raises:
        UserError: A name is not known, accuracy is not among them, or no cost is.
    """
    names = names.split(",") if isinstance(names, str) else names
    wanted = {name.strip().lower() for name in names} - {""}
    for name in sorted(wanted - set(OBJECTIVES)):
        close = difflib.get_close_matches(name, OBJECTIVES, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose of {', '.join(OBJECTIVES)}"
        raise UserError(f"--objective {name}: no such objective; {hint}")
    if "accuracy" not in wanted or len(wanted) < 2:
        said = ",".join(name for name in OBJECTIVES if name in wanted) or "''"
        costs = ", ".join(OBJECTIVES[1:])
        raise UserError(f"--objective {said}: give accuracy and one or more of {costs}: accuracy,latency")
    return tuple(name for name in OBJECTIVES if name in wanted)
