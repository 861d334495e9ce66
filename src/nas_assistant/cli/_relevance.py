"""``nas-assistant relevance``: what each layer contributes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_assistant.cli._arguments import AnyModel, Checkpoint, Data, Entry, InputShape, Json, parse_shape
from nas_assistant.cli._output import coloured, console, print_json, print_notes, table
from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from nas_assistant.relevance import LayerRelevance
    from nas_assistant.reports.run_report import LineRelevance

_BAR = 30
_SOURCE_BAR = 8


def relevance(
    model: AnyModel,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    checkpoint: Checkpoint = None,
    source: Annotated[
        bool, typer.Option("--source", help="Paint it on the source, line by line, instead of a table.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what each layer of MODEL.py contributes to its predicted accuracy; negative layers hurt."""
    from nas_assistant.assistant import report_model

    if source and as_json:
        raise UserError("give --source or --json, not both")
    if source and model.suffix != ".py":
        raise UserError(f"{model}: only a Python file has a source to paint; leave --source out")
    shape = parse_shape(input_shape)
    report = report_model(
        model, entry=entry, data=data, input_shape=shape, checkpoint=checkpoint, with_relevance=True
    )
    print_notes(report.inspection.notes)
    if as_json:
        print_json(report.relevance_to_json())
        return
    assert report.relevance is not None
    if not source:
        console().print(_layers(report.layers, model))
        return
    from nas_assistant.reports.run_report import source_relevance
    from nas_assistant.sources import read_source

    lines = source_relevance(report.inspection.graph, report.relevance, model)
    console().print(_painted(read_source(model), lines), soft_wrap=True)


def _layers(layers: Sequence[LayerRelevance], model: Path) -> Table:
    longest = max((abs(layer.weight) for layer in layers), default=0.0) or 1.0
    shown = table("layer", "op", "line", "relevance", "", right=("line", "relevance"))
    for layer in layers:
        bar = ("+" if layer.weight > 0 else "-") * round(_BAR * abs(layer.weight) / longest)
        colour = "green" if layer.weight > 0 else "red"
        line = str(layer.line) if layer.line is not None else ""
        if layer.file is not None and Path(layer.file).resolve() != model.resolve():
            line = f"{Path(layer.file).name}:{line}"
        shown.add_row(
            layer.layer or "(forward)", layer.op, line, f"{layer.weight:+.4f}", coloured(bar, colour)
        )
    return shown


def _painted(source: str, lines: dict[int, LineRelevance]) -> Text:
    """The source with a gutter: number, weight and bar; lines that create or call a layer are coloured."""
    from rich.text import Text

    from nas_assistant.reports.run_report import lines_of, strengths, visible

    strong = strengths(lines)
    shown = []
    for number, text in enumerate(lines_of(source), start=1):
        found = lines.get(number)
        gutter = f"{number:>5} {'':>7} {'':{_SOURCE_BAR}}  "
        style = ""
        if found is not None:
            bar = ("+" if found.weight >= 0 else "-") * round(_SOURCE_BAR * strong[number])
            gutter = f"{number:>5} {found.weight:>+7.3f} {bar:{_SOURCE_BAR}}  "
            style = "green" if found.weight >= 0 else "red"
            style = f"bold {style}" if strong[number] >= 0.5 else style
        shown.append(Text.assemble((gutter, style or "dim"), (visible(text), style)))
    return Text("\n").join(shown)
