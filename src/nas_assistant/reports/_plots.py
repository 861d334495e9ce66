"""Plots of benchmark families, drawn into a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nas_assistant.reports._maps import plot_families, plot_family, plot_map
from nas_assistant.reports._predicted import plot_predictions
from nas_assistant.reports._projection import Method, project
from nas_assistant.reports._theme import check_suffix, save

__all__ = ["draw", "plot_families", "plot_family", "plot_map", "plot_predictions", "project", "save"]


def draw(
    kind: Literal["map", "predictions"],
    families: Sequence[str],
    out: Path,
    *,
    networks: int = 500,
    method: Method = "pca",
    seed: int = 0,
    run_dir: Path | None = None,
    checkpoint: Path | None = None,
    data_root: Path | None = None,
    cache_dir: Path | None = None,
    workers: int | None = None,
) -> int:
    """Draw a plot of benchmark families into a file.

    Args:
        kind: A map of the embedding, or predicted against measured accuracy.
        families: Names of the families.
        out: ``.png``, ``.svg`` or ``.pdf``.
        networks: Networks of each family, drawn at random.
        method: Of the map.
        seed: Of the draw and of the projection.
        run_dir: A run whose path is drawn through the map.
        checkpoint: A checkpoint folder; the shipped one by default.
        data_root: Folder of the label tables.
        cache_dir: Folder of the graph cache.
        workers: Processes that extract graphs.

    Returns:
        How many networks were drawn.

    Raises:
        UserError: A family, a table, the run or the file is at fault.
    """
    check_suffix(out)
    from nas_assistant.families import get_family
    from nas_assistant.predictors import Predictor
    from nas_assistant.training import load_graphs

    chosen = [
        (name, get_family(name).networks(data_root, limit=networks, seed=seed))
        for name in dict.fromkeys(families)
    ]
    predictor = Predictor.load(checkpoint)
    graphs = [load_graphs(name, part, cache_dir=cache_dir, workers=workers) for name, part in chosen]
    if kind == "map":
        figure = plot_map(graphs, predictor, method=method, seed=seed, run_dir=run_dir)
    else:
        figure = plot_predictions(graphs, predictor)
    save(figure, out)
    return sum(map(len, graphs))
