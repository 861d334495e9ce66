"""Print a table and write the same as JSON to ``benchmarks/results/``."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def report(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show ``rows``, which share their keys, and keep them."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=150).print(table)
    RESULTS.mkdir(exist_ok=True)
    content = {"title": title, "python": platform.python_version(), "rows": list(rows)}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
