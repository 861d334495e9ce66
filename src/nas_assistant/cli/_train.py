"""``nas-assistant train``: from labels to a checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nas_assistant.cli._arguments import DataRoot, Json, check_folder, refuse_written
from nas_assistant.cli._output import console, counted, print_json, print_notes, table

_MOST_LISTED = 10


_OF_FAMILIES = (
    "family",
    "networks",
    "held_out",
    "encoder_steps",
    "supervised_steps",
    "data_root",
    "cache_dir",
    "workers",
)


def train(
    context: typer.Context,
    out: Annotated[
        Path,
        typer.Option(callback=check_folder, help="Folder of the checkpoint; the same folder goes on."),
    ],
    fine_tune: Annotated[
        Path | None,
        typer.Option(
            metavar="LABELS.csv",
            help="Learn from your own networks instead: a table with the columns file, accuracy, and perhaps "
            "entry. Files (.py, .onnx, .json) are relative to it; at least 10, all measured alike.",
        ),
    ] = None,
    predictor: Annotated[
        str | None,
        typer.Option(help="Of --fine-tune: checkpoint folder or name; the shipped one by default."),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="Family whose labels are learned, nb101 by default; again for more."),
    ] = None,
    networks: Annotated[
        int, typer.Option(min=40, help="Networks of a family to use, those held out included.")
    ] = 10_500,
    held_out: Annotated[int, typer.Option(min=4, help="Networks of a family that no step sees.")] = 500,
    encoder_steps: Annotated[int, typer.Option(min=0, help="Steps without labels.")] = 100,
    supervised_steps: Annotated[
        int, typer.Option(min=0, help="Steps of fine-tuning the encoder on labels.")
    ] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    data_root: DataRoot = None,
    cache_dir: Annotated[
        Path | None, typer.Option(callback=check_folder, help="Folder of the graph cache.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that extract graphs.")] = None,
    as_json: Json = False,
) -> None:
    """Train a predictor on families' labels, or fine-tune one on your own measured networks.

    Interrupted at any moment, the same command goes on.
    """
    if fine_tune is not None:
        refuse_written(context, _OF_FAMILIES, "is of training on families: leave it out with --fine-tune")
        _fine_tune(fine_tune, out, predictor, seed, as_json)
        return
    from nas_assistant.errors import UserError
    from nas_assistant.training import TrainingConfig
    from nas_assistant.training import train as run

    if predictor is not None:
        raise UserError("--predictor goes with --fine-tune; training on families starts from nothing")
    config = TrainingConfig(
        families=tuple(dict.fromkeys(family or ("nb101",))),
        networks=networks,
        held_out=held_out,
        encoder_steps=encoder_steps,
        supervised_steps=supervised_steps,
        seed=seed,
    )
    with _progress() as tell:
        trained = run(out, config, data_root=data_root, cache_dir=cache_dir, workers=workers, progress=tell)
    if as_json:
        print_json(trained.metadata)
        return
    for name, metrics in trained.metadata["metrics"].items():
        console().print(
            f"{out}: {name}, {counted(metrics['networks'], 'network')} held out: SRCC {metrics['srcc']:.4f}, "
            f"mean absolute error {metrics['mae']:.4f}"
        )


def _fine_tune(labels: Path, out: Path, predictor: str | None, seed: int, as_json: bool) -> None:
    from nas_assistant.predictors import Predictor
    from nas_assistant.training import fine_tune, read_labels, read_measured

    rows, notes = read_labels(labels)
    print_notes(notes)
    loaded = Predictor.load(predictor)
    with _progress() as tell:
        graphs = read_measured(
            labels,
            rows,
            out / "state" / "graphs",
            lambda done, total, name: tell("models", done, total, name),
        )
    skipped = [f"{place}: left out: {reason}" for place, reason in graphs.skipped.items()]
    print_notes(skipped[:_MOST_LISTED])
    if len(skipped) > _MOST_LISTED:
        print_notes([f"{len(skipped) - _MOST_LISTED} more were left out"])
    tuned = fine_tune(loaded, graphs, seed=seed)
    tuned.save(out)
    facts = tuned.metadata["fine_tuning"]
    if as_json:
        print_json(facts | {"skipped": dict(graphs.skipped)})
        return
    shown = table("", "SRCC", "mean absolute error", right=("SRCC", "mean absolute error"))
    for title, key in (("before", "before"), ("after, each without its own label", "leave_one_out")):
        shown.add_row(title, f"{facts[key]['srcc']:.4f}", f"{facts[key]['mae']:.4f}")
    console().print(f"{out}: learned from {facts['networks']} networks")
    console().print(shown)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int, str], None]]:
    """Bars on stderr, one a stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int, remark: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, remark=remark)
            bars.update(tasks[stage], completed=done, total=total, remark=remark)

        yield tell
