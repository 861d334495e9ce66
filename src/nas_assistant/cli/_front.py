"""Prints the front of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_assistant.cli._output import console, table

if TYPE_CHECKING:
    from nas_assistant.assistant import Candidate, Front


def print_front(front: Front, run_dir: Path) -> None:
    """The front as a table, the user's own network first for comparison, and its hypervolume."""
    from nas_assistant.costs import cost_text

    costs = front.objectives[1:]
    shown = table("network", "accuracy", *costs, title="front", right=("accuracy", *costs))
    for entry, name in _rows(front):
        cells = []
        for cost in costs:
            value, unit = front.cost(entry, cost), front.cost(front.start, cost)
            change = f" ({value / unit - 1:+.0%})" if entry.number and unit else ""
            noise = f" ± {front.latency_noise(entry):.0%}" if cost == "latency" else ""
            cells.append(f"{cost_text(cost, value)}{noise}{change}")
        shown.add_row(name, f"{front.accuracy(entry):.4f}", *cells)
    console().print(shown)
    if any(abs(front.accuracy(entry) - (entry.accuracy or 0.0)) > 1e-9 for entry in front.points):
        typer.echo("A network much less familiar than the original stands with the low end of its gain.")
    typer.echo(
        f"Hypervolume {front.hypervolume:.3f} (the original alone: 1). Files: "
        f"{run_dir / 'candidates'}/NUMBER/model.py\n"
    )


def _rows(front: Front) -> list[tuple[Candidate, str]]:
    rows = [(entry, f"candidate {entry.number}" if entry.number else "original") for entry in front.points]
    if all(entry.number for entry in front.points):
        rows.append((front.start, "original (beaten)"))
    return rows
