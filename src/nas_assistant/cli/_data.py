"""``nas-assistant data``: the benchmark families and their labels."""

from __future__ import annotations

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, print_json, print_notes, table


def data(data_root: DataRoot = None, as_json: Json = False) -> None:
    """List the benchmark families: labelled networks, spread of their accuracy, and the file expected."""
    from nas_assistant.reports import summarise_families

    families = summarise_families(data_root)
    if as_json:
        print_json([family.to_json() for family in families])
        return
    columns = ("family", "rows", "min", "mean", "max", "deviation", "label", "file")
    shown = table(*columns, right=columns[1:6])
    for family in families:
        numbers = [f"{value:.4f}" for value in family.accuracy or ()] or [""] * 4
        rows = f"{family.rows:,}" if family.rows is not None else "none"
        shown.add_row(family.name, rows, *numbers, family.label, family.file)
    console().print(shown)
    print_notes([family.problem for family in families if family.problem])
