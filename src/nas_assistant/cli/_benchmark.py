"""``nas-assistant benchmark loop``: the loop on benchmark networks whose accuracies are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, print_json, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

benchmark = typer.Typer(no_args_is_help=True, help="Measure the assistant where the truth is known.")

_COLUMNS = {
    "iterations": ("iterations", 2),
    "predicted_gain": ("predicted\ngain", 4),
    "true_gain": ("true\ngain", 4),
    "estimated_gain": ("gain in\nfamily", 4),
    "family_gain": ("gain of best\nin family", 4),
    "regret": ("regret", 4),
    "in_family": ("in\nfamily", 2),
    "labelled": ("labelled", 2),
    "valid_rate": ("valid", 2),
    "changed_rate": ("changed", 2),
    "seconds": ("seconds\naccepted", 1),
    "tokens": ("tokens\naccepted", 0),
}


@benchmark.callback()
def _top() -> None:
    """Measure the assistant where the truth is known."""


@benchmark.command()
def loop(
    family: Annotated[
        list[str] | None, typer.Option(help="nb101, nb201 or nb301; may be given again; all by default.")
    ] = None,
    rows: Annotated[
        list[str] | None, typer.Option(help="A row; may be given again; all that need no model by default.")
    ] = None,
    generators: Annotated[
        list[str] | None,
        typer.Option(
            help="A generator as a further row, as NAME or NAME:option=value,…; may be given again."
        ),
    ] = None,
    networks: Annotated[int, typer.Option(min=1, help="Networks of each family.")] = 50,
    max_iterations: Annotated[int, typer.Option(min=1, help="Most rounds.")] = 10,
    proposals: Annotated[int, typer.Option(min=1, help="Candidates a round.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw and of every search.")] = 0,
    records: Annotated[
        Path, typer.Option(help="File of the units; those that it has are not run again.")
    ] = Path("loop.jsonl"),
    predictor: Annotated[
        str | None, typer.Option(help="Checkpoint folder or name; the shipped one by default.")
    ] = None,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Improve networks of a benchmark and compare what was predicted with what is true.

    The target is a quarter of the family's deviation above the prediction of each network. ``gain in
    family`` is of those whose best is again a network of the family, and takes a regression's word for one
    without a label; ``true gain`` is of the labelled ones alone. Below each value stands its 90 % interval.
    """
    from nas_assistant.evaluation import LOOP_FAMILIES, LOOP_ROWS, LoopSettings, measure_loop

    names = rows or ([] if generators else list(LOOP_ROWS))
    names = [*names, *(generators or ())]
    settings = LoopSettings(networks, max_iterations, proposals, seed)
    with console(stderr=True).status("loop") as status:

        def show(family: str, row: str, number: int, total: int) -> None:
            status.update(f"{family}: {row} ({number}/{total})")

        found = measure_loop(
            family or LOOP_FAMILIES,
            names,
            settings,
            records=records,
            predictor=predictor,
            data_root=data_root,
            report=show,
        )
    if as_json:
        print_json(found)
        return
    show_loop(found)


def show_loop(found: Mapping[str, Any]) -> None:
    """Print the tables of a measurement."""
    heads = [head for head, _ in _COLUMNS.values()]
    for name, facts in found["families"].items():
        title = (
            f"{name}: deviation {facts['deviation']:.4f}, target +{facts['target_gain']:.4f}, best "
            f"{facts['best']:.4f}; where there is no label, a regression (rank correlation "
            f"{facts['regression']['srcc']:.2f}, mean error {facts['regression']['mae']:.4f})"
        )
        shown = table(
            "row", "networks", "max-outs", *heads, title=title, right=("networks", "max-outs", *heads)
        )
        for line in (row for row in found["rows"] if row["family"] == name):
            shown.add_row(
                line["row"], str(line["networks"]), str(line["max_outs"]), *_cells(line, _COLUMNS.items())
            )
        console().print(shown)
    if found["against"]:
        columns = [(name, _COLUMNS[name]) for name in
                   ("predicted_gain", "iterations", "estimated_gain", "family_gain")]  # fmt: skip
        heads = [head for _, (head, _) in columns]
        shown = table("family", "row", "less", "networks", *heads,
                      title="differences on the same networks", right=("networks", *heads))  # fmt: skip
        for line in found["against"]:
            shown.add_row(
                line["family"], line["row"], line["against"], str(line["networks"]), *_cells(line, columns)
            )
        console().print(shown)


def _cells(line: Mapping[str, Any], columns: Iterable[tuple[str, tuple[str, int]]]) -> list[str]:
    """The values, and below each its interval."""
    cells = []
    for name, (_, digits) in columns:
        value, ends = line[name], line[f"{name}_interval"]
        if value is None:
            cells.append("")
            continue
        # A gain is of those networks alone of which it is known.
        count = {"true_gain": line.get("true_networks"), "estimated_gain": line.get("family_networks")}.get(
            name
        )
        more = "" if count is None else f" of {count}"
        cells.append(f"{value:.{digits}f}{more}\n{ends[0]:.{digits}f} {ends[1]:.{digits}f}")
    return cells
