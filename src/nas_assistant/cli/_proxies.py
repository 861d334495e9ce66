"""``nas-assistant proxies``: zero-cost scores of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas_assistant.cli._arguments import Data, Entry, InputShape, Json, Model, parse_shape
from nas_assistant.cli._output import console, print_json, print_notes, table

if TYPE_CHECKING:
    from nas_assistant.proxies import Score


def proxies(
    model: Model,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    proxy: Annotated[
        list[str] | None, typer.Option(help="A proxy to compute; may be given several times. All by default.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples of the minibatch.")] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of weights, samples and everything else random.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Score MODEL.py with zero-cost proxies: one minibatch of your data, no training."""
    from nas_assistant.assistant import score_file

    shape = parse_shape(input_shape)
    with console(stderr=True).status("scoring the untrained network"):
        report = score_file(
            model, entry=entry, data=data, input_shape=shape, proxies=proxy or (), batch=batch, seed=seed
        )
    print_notes(report.inspection.notes)
    if data is None:
        print_notes(["no --data: only proxies that need no samples give a value"])
    if as_json:
        print_json(report.to_json())
        return
    shown = table("proxy", "value", "seconds", "", right=("value", "seconds"))
    for score in report.scores:
        value = f"{score.value:.6g}" if score.value is not None else ""
        shown.add_row(score.proxy, value, f"{score.seconds:.2f}", _remark(score))
    console().print(shown)


def _remark(score: Score) -> str:
    parts = ", ".join(f"{name} {value:.4g}" for name, value in score.parts.items())
    fault = f"{score.fault.kind}: {score.fault.message}" if score.fault else ""
    return "; ".join(filter(None, (parts, fault)))
