"""Maps of the embedding, and predicted against measured accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nas_assistant.predictors import Predictor
    from nas_assistant.training import GraphSet

Method = Literal["pca", "tsne"]
SUFFIXES = (".png", ".svg", ".pdf")
_MARKERS = "os^DvP*X"


def project(vectors: npt.NDArray[Any], method: Method, seed: int) -> npt.NDArray[np.float64]:
    """Project vectors of shape ``(networks, width)`` to ``(networks, 2)``.

    Raises:
        UserError: There are fewer than five of them.
    """
    if len(vectors) < 5:
        raise UserError(f"a map needs at least 5 networks, not {len(vectors)}")
    if method == "pca":
        from sklearn.decomposition import PCA

        return np.asarray(PCA(2, random_state=seed).fit_transform(vectors), dtype=np.float64)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(model.fit_transform(vectors), dtype=np.float64)


def plot_map(
    graphs: Sequence[GraphSet],
    predictor: Predictor,
    *,
    method: Method = "pca",
    seed: int = 0,
    run_dir: Path | None = None,
) -> Figure:
    """Map families in the space of the encoder (Mishra 2023, section 2.2 and its figures).

    Two maps side by side: shaded by measured accuracy, and by the mixture's component.

    Args:
        graphs: The networks of each family.
        predictor: Knows the encoder and the mixture.
        method: Principal components, or t-SNE.
        seed: Of the projection.
        run_dir: A run of ``improve`` whose path is drawn through the map.
    """
    arrays = [item for part in graphs for item in part.graphs]
    vectors = predictor.embed_arrays(arrays)
    path = _path_graphs(run_dir) if run_dir is not None else []
    steps = predictor.embed(path)
    points = project(np.concatenate([vectors, steps]), method, seed)
    weights = [prediction.expert_weights for prediction in predictor.predict_arrays(arrays)]
    clusters = np.asarray(weights).argmax(axis=1)
    accuracies = np.concatenate([part.accuracies for part in graphs])

    figure = _figure(12.0, 5.4)
    name = "PCA" if method == "pca" else "t-SNE"
    for place, (values, title, colours) in enumerate(
        ((accuracies, "measured accuracy", "viridis"), (clusters, "component of the mixture", "tab20"))
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        start = 0
        for index, part in enumerate(graphs):
            own = slice(start, start + len(part))
            start += len(part)
            drawn = axes.scatter(
                points[own, 0],
                points[own, 1],
                c=values[own],
                cmap=colours,
                vmin=values.min(),
                vmax=values.max(),
                s=12,
                marker=_MARKERS[index % len(_MARKERS)],
                linewidths=0,
                label=f"{part.family} ({len(part):,})",
            )
        if len(steps):
            walk = points[len(vectors) :]
            axes.plot(walk[:, 0], walk[:, 1], "-", color="black", linewidth=1)
            axes.plot(*walk[0], "o", color="white", markeredgecolor="black", label="user's model")
            axes.plot(*walk[-1], "*", color="red", markeredgecolor="black", markersize=12, label="best")
        figure.colorbar(drawn, ax=axes)
        axes.set(title=f"{name}, shaded by {title}", xticks=[], yticks=[])
        axes.legend(fontsize=8)
    figure.tight_layout()
    return figure


def plot_predictions(graphs: Sequence[GraphSet], predictor: Predictor) -> Figure:
    """Predicted against measured accuracy, with the rank correlation of each family."""
    from nas_assistant.evaluation import spearman

    figure = _figure(6.0, 5.6)
    axes = figure.add_subplot()
    ends: list[float] = []
    for index, part in enumerate(graphs):
        predicted = np.asarray([p.accuracy for p in predictor.predict_arrays(part.graphs)])
        rank = spearman(predicted, part.accuracies)
        axes.scatter(
            part.accuracies,
            predicted,
            s=10,
            alpha=0.5,
            marker=_MARKERS[index % len(_MARKERS)],
            label=f"{part.family}: {len(part):,} networks, SRCC {rank:.3f}",
        )
        ends += [float(predicted.min()), float(predicted.max())]
        ends += [float(part.accuracies.min()), float(part.accuracies.max())]
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], "--", color="grey", linewidth=1)
    axes.set(xlabel="measured accuracy", ylabel="predicted accuracy")
    axes.legend(fontsize=8)
    figure.tight_layout()
    return figure


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
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{out}: cannot draw that: use {', '.join(SUFFIXES)}")
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
    try:
        figure.savefig(out, dpi=150)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
    return sum(map(len, graphs))


def _path_graphs(run_dir: Path) -> list[Any]:
    """Graphs of the user's model and of each model that was the best, in order."""
    from nas_assistant.assistant import RunDirectory
    from nas_assistant.graphs import ComputationalGraph

    if not (run_dir / "original.json").is_file():
        raise UserError(f"{run_dir}: not the folder of a run of 'nas-assistant improve'")
    run = RunDirectory(run_dir)
    try:
        best = [
            event["candidate"]["number"]
            for event in run.events()
            if event["event"] == "checked" and event["candidate"]["best"]
        ]
    finally:
        run.close()
    return [ComputationalGraph.load(run_dir / "original.json"), *map(run.read_graph, best)]


def _figure(width: float, height: float) -> Figure:
    # Without pyplot: no window system, and nothing global.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))
