"""``nas-assistant evaluate``: the predictor beside baselines, on measured accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, print_json, table


def evaluate(
    family: Annotated[list[str], typer.Option(help="A family; may be given again.")],
    predictor: Annotated[
        str | None, typer.Option(help="Checkpoint folder or name; the shipped one by default.")
    ] = None,
    networks: Annotated[int, typer.Option(help="Unseen networks to draw at random; 0 for all.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the random row.")] = 0,
    data_root: DataRoot = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the graph cache.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that extract graphs.")] = None,
    as_json: Json = False,
) -> None:
    """Rank a family's networks and compare with random, parameters, FLOPs and depth."""
    from nas_assistant.evaluation import METRICS, Evaluation
    from nas_assistant.evaluation import evaluate as run
    from nas_assistant.predictors import Predictor

    loaded = Predictor.load(predictor)
    results: list[Evaluation] = []
    for name in family:
        with console(stderr=True).status(f"{name}: graphs and predictions"):
            results += run(
                name,
                loaded,
                networks=networks or None,
                seed=seed,
                data_root=data_root,
                cache_dir=cache_dir,
                workers=workers,
            )
    if as_json:
        print_json([result.to_json() for result in results])
        return
    for result in results:
        spread = result.accuracy
        title = (
            f"{result.family}, {result.view}: {result.networks:,} networks, {result.label}; "
            f"accuracy {spread['min']:.4f} / {spread['median']:.4f} / {spread['max']:.4f}, "
            f"deviation {spread['std']:.4f}; intervals cover {result.coverage:.1%}, "
            f"median familiarity {result.familiarity:.2f}"
        )
        shown = table("scorer", *METRICS, title=title, right=METRICS)
        for row in result.rows:
            cells = [row.metrics[name] for name in METRICS]
            shown.add_row(row.scorer, *("" if cell is None else f"{cell:.4f}" for cell in cells))
        console().print(shown)
