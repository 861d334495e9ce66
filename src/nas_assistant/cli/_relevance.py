"""``nas-assistant relevance``: what each layer contributes."""

from __future__ import annotations

from nas_assistant.cli._arguments import AnyModel, Checkpoint, Data, Entry, InputShape, Json, parse_shape
from nas_assistant.cli._output import coloured, console, print_json, print_notes, table

_BAR = 30


def relevance(
    model: AnyModel,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> None:
    """Tell what each layer of MODEL.py contributes to its predicted accuracy; negative layers hurt."""
    from nas_assistant.assistant import report_model

    shape = parse_shape(input_shape)
    report = report_model(
        model, entry=entry, data=data, input_shape=shape, checkpoint=checkpoint, with_relevance=True
    )
    print_notes(report.inspection.notes)
    if as_json:
        print_json(report.relevance_to_json())
        return
    layers = tuple(report.relevance or ())
    longest = max((abs(layer.weight) for layer in layers), default=0.0) or 1.0
    shown = table("layer", "op", "line", "relevance", "", right=("line", "relevance"))
    for layer in layers:
        bar = ("+" if layer.weight > 0 else "-") * round(_BAR * abs(layer.weight) / longest)
        colour = "green" if layer.weight > 0 else "red"
        line = str(layer.line) if layer.line is not None else ""
        shown.add_row(
            layer.layer or "(forward)", layer.op, line, f"{layer.weight:+.4f}", coloured(bar, colour)
        )
    console().print(shown)
