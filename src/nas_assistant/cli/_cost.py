"""``nas-assistant cost``: parameters, FLOPs, memory and latency of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas_assistant.cli._arguments import (
    AnyModel,
    CostRuntime,
    Data,
    Entry,
    InputShape,
    Json,
    parse_shape,
)
from nas_assistant.cli._output import console, print_json, print_notes, table

if TYPE_CHECKING:
    from nas_assistant.assistant import CostReport


def cost(
    model: AnyModel,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=4096, help="Samples of one forward pass, for latency and memory.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads that the runtime may use.")] = 1,
    runtime: CostRuntime = "framework",
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Time for the repeats.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Tell what MODEL.py costs on this machine: parameters, FLOPs, memory and measured latency."""
    from nas_assistant.assistant import cost_of
    from nas_assistant.sources import Timing

    timing = Timing(batch_size, threads, runtime, seconds)
    shape = parse_shape(input_shape)
    with console(stderr=True).status("building and timing the model"):
        report = cost_of(model, entry=entry, data=data, input_shape=shape, timing=timing)
    print_notes(report.inspection.notes)
    if as_json:
        print_json(report.to_json())
        return
    _show(report)


def _show(report: CostReport) -> None:
    from nas_assistant.costs import bytes_text, seconds_text

    graph, timing, latency = report.inspection.graph, report.timing, report.latency
    samples = f"{timing.batch} sample{'s' * (timing.batch > 1)}"
    shown = table("", "", "")
    shown.add_row("parameters", f"{graph.parameters:,}", "")
    shown.add_row("FLOPs", f"{graph.flops:,}", "of one sample; a multiply-accumulate counts as two")
    shown.add_row("activation memory", bytes_text(report.activation_bytes), f"peak for {samples}, reckoned")
    shown.add_row("memory", bytes_text(report.memory_bytes), "the same with the parameters")
    if latency is not None:
        threads = f"{timing.threads} thread{'s' * (timing.threads > 1)}"
        how = {"onnxruntime": "ONNX Runtime"}.get(timing.runtime, report.inspection.framework)
        shown.add_row(
            "latency",
            seconds_text(latency.seconds),
            f"{seconds_text(latency.low)} to {seconds_text(latency.high)}; median of {latency.repeats} "
            f"repeats, {samples}, {threads}, {how}",
        )
    console().print(shown)
