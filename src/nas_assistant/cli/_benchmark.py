"""``nas-assistant benchmark loop``: the loop on benchmark networks whose accuracies are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, print_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping

benchmark = typer.Typer(no_args_is_help=True, help="Measure the assistant where the truth is known.")

_COLUMNS = {
    "iterations": ("rounds", 1, 1),
    "predicted_gain": ("predicted", 100, 2),
    "true_gain": ("true", 100, 2),
    "estimated_gain": ("in family", 100, 2),
    "family_gain": ("of family", 100, 2),
    "regret": ("regret", 100, 2),
    "in_family": ("in family", 100, 0),
    "valid_rate": ("valid", 100, 0),
    "changed_rate": ("changed", 100, 0),
    "seconds": ("seconds", 1, 0),
    "tokens": ("tokens", 1, 0),
}
"""Head, factor and digits of each."""

_COUNTS = {"true_gain": "true_networks", "estimated_gain": "family_networks"}
_PAIRED = ("predicted_gain", "iterations", "estimated_gain", "family_gain")


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

    The target is a quarter of the family's deviation above the prediction of each network. The gain ``in
    family`` is of those whose best is again a network of the family, and takes a regression's word for one
    without a label; ``true`` is of the labelled ones alone; ``of family`` is of the candidate predicted best
    among those of the family, over all networks. Below each value stands its 90 % interval.
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
    used = {
        name: column
        for name, column in _COLUMNS.items()
        if name != "tokens" or any(line["tokens"] is not None for line in found["rows"])
    }
    for name, facts in found["families"].items():
        title = (
            f"{name}: deviation {facts['deviation']:.4f}, target +{facts['target_gain']:.4f}, best "
            f"{facts['best']:.4f}; without a label, a regression (rank correlation "
            f"{facts['regression']['srcc']:.2f}, mean error {facts['regression']['mae']:.4f})\n"
            "gains and regret in points; seconds for each candidate that became the best"
        )
        heads = [column[0] for column in used.values()]
        shown = table("row", "given up", *heads, title=title, right=("given up", *heads))
        for line in (row for row in found["rows"] if row["family"] == name):
            given_up = f"{line['max_outs']}/{line['networks']}"
            shown.add_row(line["row"], given_up, *_cells(line, used))
        console().print(shown)
    if found["against"]:
        columns = {name: _COLUMNS[name] for name in _PAIRED}
        heads = [column[0] for column in columns.values()]
        title = "differences on the same networks"
        shown = table("family", "row", "less", "networks", *heads, title=title, right=("networks", *heads))
        for line in found["against"]:
            names = (line["family"], line["row"], line["against"], str(line["networks"]))
            shown.add_row(*names, *_cells(line, columns))
        console().print(shown)


def _cells(line: Mapping[str, Any], columns: Mapping[str, tuple[str, float, int]]) -> list[str]:
    """The values, and below each its interval."""
    cells = []
    for name, (_, factor, digits) in columns.items():
        value, ends = line[name], line[f"{name}_interval"]
        if value is None:
            cells.append("")
            continue
        # A gain is of those networks alone of which it is known.
        count = line.get(_COUNTS.get(name, ""))
        more = "" if count is None else f" ({count})"
        low, high = (f"{factor * end:.{digits}f}" for end in ends)
        cells.append(f"{factor * value:.{digits}f}{more}\n{low} {high}")
    return cells
