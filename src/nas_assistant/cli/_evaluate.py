"""``nas-assistant evaluate``: the predictor beside baselines, on measured accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas_assistant.cli._arguments import DataRoot, Json
from nas_assistant.cli._output import console, counted, print_json, table

if TYPE_CHECKING:
    from nas_assistant.evaluation import Evaluation, Row

_HEADS = {
    "srcc": "srcc",
    "srcc_top_decile": "srcc of the\ntop decile",
    "kendall": "kendall",
    "ndcg10": "ndcg10",
    "ndcg10_floor20": "ndcg10\nfloor 20 %",
    "regret10": "regret10",
    "mae": "mae",
}


def evaluate(
    family: Annotated[list[str], typer.Option(help="A family; may be given again.")],
    predictor: Annotated[
        str | None, typer.Option(help="Checkpoint folder or name; the shipped one by default.")
    ] = None,
    networks: Annotated[
        int, typer.Option(min=0, help="Unseen networks to draw at random; 0 for all.")
    ] = 2_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the draw, of the random row and of the bootstrap.")
    ] = 0,
    resamples: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap, for 90 % intervals; 0 for none.")
    ] = 1_000,
    data_root: DataRoot = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the graph cache.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that extract graphs.")] = None,
    as_json: Json = False,
) -> None:
    """Rank a family's networks and compare with random, parameters, FLOPs and depth.

    Below each value stands its 90 % bootstrap interval.
    """
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
                resamples=resamples,
                data_root=data_root,
                cache_dir=cache_dir,
                workers=workers,
            )
    if as_json:
        print_json([result.to_json() for result in results])
        return
    for result in results:
        _show(result)


def _show(result: Evaluation) -> None:
    spread = result.accuracy
    title = (
        f"{result.family}, {result.view}: {counted(result.networks, 'network')}, {result.label}; "
        f"accuracy {spread['min']:.4f} / {spread['median']:.4f} / {spread['max']:.4f}, "
        f"deviation {spread['std']:.4f}; the predictor's intervals cover {result.coverage:.1%}, "
        f"median familiarity {result.familiarity:.2f}"
    )
    shown = table("scorer", *_HEADS.values(), title=title, right=_HEADS.values())
    for row in result.rows:
        shown.add_row(row.scorer, *(_cell(row, name) for name in _HEADS))
    console().print(shown)


def _cell(row: Row, name: str) -> str:
    """The value, and below it the interval."""
    value, interval = row.metrics[name], row.intervals.get(name)
    if value is None:
        return ""
    digits = 4 if name in ("regret10", "mae") else 3
    if interval is None:
        return f"{value:.{digits}f}"
    low, high = (f"{end:.{digits}f}".replace("0.", ".", 1) for end in interval)
    return f"{value:.{digits}f}\n{low} {high}"
