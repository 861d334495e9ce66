"""``nas-assistant compare``: what changed between two models, as graphs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nas_assistant.cli._arguments import Checkpoint, Data, Entry, InputShape, Json, parse_shape
from nas_assistant.cli._output import console, print_json, print_notes, table


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.py", help="A model file.")],
    second: Annotated[Path, typer.Argument(metavar="B.py", help="Another one.")],
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> None:
    """Tell what changed between two models: operations, size and predicted accuracy."""
    from nas_assistant.assistant import compare_models

    shape = parse_shape(input_shape)
    found = compare_models(first, second, entry=entry, data=data, input_shape=shape, checkpoint=checkpoint)
    print_notes(found.notes)
    if as_json:
        print_json(found.to_json())
        return
    if found.same:
        typer.echo("Both are the same network.")
    if found.changes:
        changes = table("", "layer", "op", "what", "line", right=("line",))
        for change in found.changes:
            line = str(change.line) if change.line is not None else ""
            changes.add_row(change.kind, change.layer or "(forward)", change.op, change.detail, line)
        console().print(changes)
    names = _names(first, second)
    sizes = table("", *names, "difference", right=(*names, "difference"))
    one, two = found.before.graph, found.after.graph
    for name, old, new in (
        ("nodes", len(one), len(two)),
        ("parameters", one.parameters, two.parameters),
        ("FLOPs", one.flops, two.flops),
    ):
        sizes.add_row(name, f"{old:,}", f"{new:,}", f"{new - old:+,}")
    before, after = (prediction.accuracy for prediction in found.predictions)
    sizes.add_row("predicted accuracy", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    console().print(sizes)
    low, high = found.gain_interval
    typer.echo(f"Nine in ten differences in accuracy lie in {low:+.4f} to {high:+.4f}")


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The files' names, those of namesakes with the folders that tell them apart."""
    if first.name != second.name or first.resolve() == second.resolve():
        return first.name, second.name
    one, two = first.resolve(), second.resolve()
    shared = os.path.commonpath((one.parent, two.parent))
    return str(one.relative_to(shared)), str(two.relative_to(shared))
