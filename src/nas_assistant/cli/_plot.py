"""``nas-assistant plot``: maps of the embedding, and predicted against measured accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nas_assistant.cli._arguments import Checkpoint, DataRoot
from nas_assistant.cli._output import console


def plot(
    kind: Annotated[
        Literal["map", "predictions"],
        typer.Argument(help="A map of the embedding, or predicted against measured accuracy."),
    ],
    family: Annotated[list[str], typer.Option(help="A family; may be given again.")],
    out: Annotated[Path, typer.Option(metavar="F", help="F.png, F.svg or F.pdf.")],
    networks: Annotated[int, typer.Option(min=5, help="Networks of each family, drawn at random.")] = 500,
    method: Annotated[Literal["pca", "tsne"], typer.Option(help="How the map is projected.")] = "pca",
    run_dir: Annotated[
        Path | None, typer.Option(help="A run of 'improve' whose path is drawn through the map.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw and of the projection.")] = 0,
    checkpoint: Checkpoint = None,
    data_root: DataRoot = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the graph cache.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that extract graphs.")] = None,
) -> None:
    """Draw benchmark families as the predictor sees them."""
    from nas_assistant.reports import draw

    with console(stderr=True).status("graphs and predictions"):
        drawn = draw(
            kind,
            family,
            out,
            networks=networks,
            method=method,
            seed=seed,
            run_dir=run_dir,
            checkpoint=checkpoint,
            data_root=data_root,
            cache_dir=cache_dir,
            workers=workers,
        )
    typer.echo(f"{out}: {drawn:,} networks of {', '.join(family)}")
