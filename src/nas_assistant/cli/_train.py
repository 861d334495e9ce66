"""``nas-assistant train``: from labels to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, print_json


def train(
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint; the same folder goes on.")],
    family: Annotated[str, typer.Option(help="Family whose labels are learned.")] = "nb101",
    networks: Annotated[int, typer.Option(help="Networks to use, those held out included.")] = 10_500,
    held_out: Annotated[int, typer.Option(help="Networks that no step sees.")] = 500,
    encoder_steps: Annotated[int, typer.Option(help="Steps without labels.")] = 150,
    supervised_steps: Annotated[int, typer.Option(help="Steps of fine-tuning the encoder on labels.")] = 800,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    data_root: DataRoot = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the graph cache.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that extract graphs.")] = None,
    as_json: Json = False,
) -> None:
    """Train a predictor on a family's labels; interrupted at any moment, the same command goes on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from nas_assistant.training import TrainingConfig
    from nas_assistant.training import train as run

    config = TrainingConfig(
        family=family,
        networks=networks,
        held_out=held_out,
        encoder_steps=encoder_steps,
        supervised_steps=supervised_steps,
        seed=seed,
    )
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=console(stderr=True)) as bars:
        tasks = {}

        def tell(stage: str, done: int, total: int, remark: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, remark=remark)
            bars.update(tasks[stage], completed=done, total=total, remark=remark)

        predictor = run(out, config, data_root=data_root, cache_dir=cache_dir, workers=workers, progress=tell)
    if as_json:
        print_json(predictor.metadata)
        return
    metrics = predictor.metadata["metrics"]["held_out"]
    console().print(f"{out}: held-out SRCC {metrics['srcc']:.4f}, mean absolute error {metrics['mae']:.4f}")
