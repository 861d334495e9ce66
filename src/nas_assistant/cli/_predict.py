"""``nas-assistant predict``: the accuracy of a model, without training."""

from __future__ import annotations

from nas_assistant.cli._arguments import AnyModel, Checkpoint, Data, Entry, InputShape, Json, parse_shape
from nas_assistant.cli._output import console, print_json, print_notes, table


def predict(
    model: AnyModel,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> None:
    """Predict the CIFAR-10 accuracy of MODEL.py, with an interval and how familiar the model is."""
    from nas_assistant.assistant import report_model

    shape = parse_shape(input_shape)
    report = report_model(model, entry=entry, data=data, input_shape=shape, checkpoint=checkpoint)
    print_notes(report.inspection.notes)
    if as_json:
        print_json(report.to_json())
        return
    prediction, graph = report.prediction, report.inspection.graph
    low, high = prediction.interval
    shown = table("", "")
    shown.add_row("predicted accuracy", f"{prediction.accuracy:.4f}")
    shown.add_row("nine in ten lie in", f"{low:.4f} to {high:.4f}")
    if report.own_data is not None:
        low, high = report.own_data.interval
        shown.add_row("similarity of the data", str(report.own_data))
        shown.add_row("on your data, nine in ten", f"{low:.4f} to {high:.4f}")
    shown.add_row("familiarity", f"{prediction.familiarity:.2f} (0: unlike all that the predictor knows)")
    if prediction.unseen:
        shown.add_row("never seen in training", ", ".join(prediction.unseen))
    shown.add_row("parameters", f"{graph.parameters:,}")
    shown.add_row("FLOPs", f"{graph.flops:,}")
    shown.add_row("nodes", f"{len(graph)}")
    console().print(shown)
