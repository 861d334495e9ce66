"""``nas-assistant graph``: the computational graph of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas_assistant.cli._arguments import AnyModel, Data, Entry, InputShape, parse_shape
from nas_assistant.cli._output import console, print_notes, table


def graph(
    model: AnyModel,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    out: Annotated[
        Path | None, typer.Option(metavar="F", help="Write F.json, F.dot, F.svg or F.onnx instead.")
    ] = None,
) -> None:
    """Show the computational graph of MODEL.py, or write it to a file."""
    from nas_assistant.assistant import write_model_graph

    inspection = write_model_graph(model, out, entry=entry, data=data, input_shape=parse_shape(input_shape))
    print_notes(inspection.notes)
    found = inspection.graph
    if out is not None:
        typer.echo(f"{out}: {found!r}")
        return
    columns = ("id", "op", "inputs", "output", "parameters", "MACs", "layer", "line")
    shown = table(*columns, title=repr(found), right=("id", "parameters", "MACs", "line"))
    for node in found:
        place = node.created or node.call
        shown.add_row(
            str(node.id),
            node.op.value,
            ",".join(map(str, node.inputs)),
            "x".join(map(str, node.output_shape)),
            f"{node.parameters:,}" if node.parameters else "",
            f"{node.macs:,}" if node.macs else "",
            node.layer,
            str(place.line) if place else "",
        )
    console().print(shown)
