"""Maps of the encoder's space, shaded by accuracy, by component and by family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.reports._projection import NAMES, Method, Projection, project_vectors
from nas_assistant.reports._theme import ACCURACY_MAP, COLOURS, MARKERS, REST, new_figure, percent, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nas_assistant.predictors import Predictor
    from nas_assistant.training import GraphSet

_LOWEST = 0.05
"""Quantile of the accuracies at which the colours start: a few failed trainings would take most of them."""

Shade = Callable[["Axes", Projection], None]


@dataclass(frozen=True)
class Space:
    """Networks of one or more families as the predictor sees them.

    Attributes:
        graphs: The networks of each family.
        vectors: ``(networks, 512)``.
        components: ``(networks,)``, of each the most likely component of the mixture.
    """

    graphs: tuple[GraphSet, ...]
    vectors: npt.NDArray[np.float32]
    components: npt.NDArray[np.int64]

    @classmethod
    def of(cls, graphs: Sequence[GraphSet], predictor: Predictor) -> Space:
        """Embed networks."""
        import torch

        vectors = predictor.embed_arrays([item for part in graphs for item in part.graphs])
        posterior = predictor.mixture.posterior(torch.from_numpy(vectors))
        return cls(tuple(graphs), vectors, posterior.argmax(dim=1).numpy())

    @property
    def accuracies(self) -> npt.NDArray[np.float64]:
        """``(networks,)``."""
        return np.concatenate([part.accuracies for part in self.graphs])

    @property
    def ranks(self) -> npt.NDArray[np.float64]:
        """Rank of each accuracy within its family, from 0 to 1, ``(networks,)``."""
        from scipy.stats import rankdata

        return np.concatenate([(rankdata(g.accuracies) - 1) / max(len(g) - 1, 1) for g in self.graphs])

    def parts(self) -> list[tuple[GraphSet, slice]]:
        """Each family, and where its networks are."""
        ends = np.cumsum([0, *map(len, self.graphs)]).tolist()
        return [(part, slice(ends[i], ends[i + 1])) for i, part in enumerate(self.graphs)]


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
    space = Space.of(graphs, predictor)
    steps = predictor.embed(_path_graphs(run_dir) if run_dir is not None else [])
    whole = project_vectors(np.concatenate([space.vectors, steps]), method, seed)
    projection = Projection(method, whole.points[: len(space.vectors)], whole.explained)
    figure = new_figure(12.0, 5.2)
    for axes, shade in zip(_grid(figure, 1, 2), (_by_accuracy(space), _by_component(space)), strict=True):
        shade(axes, projection)
        if len(steps):
            walk = whole.points[len(space.vectors) :]
            axes.set(xlim=_reach(axes.get_xlim(), walk[:, 0]), ylim=_reach(axes.get_ylim(), walk[:, 1]))
            axes.plot(walk[:, 0], walk[:, 1], "-", color="black", linewidth=1)
            axes.plot(*walk[0], "o", color="white", markeredgecolor="black", label="user's model")
            axes.plot(*walk[-1], "*", color="red", markeredgecolor="black", markersize=12, label="best")
        axes.legend(fontsize=8)
    return figure


def plot_family(
    graphs: GraphSet, predictor: Predictor, *, seed: int = 0, unseen: int | None = None
) -> Figure:
    """PCA and t-SNE of one family, by accuracy and by component (Mishra 2023, figures 3.1-3.4, A.1-A.5).

    Args:
        graphs: The family's networks.
        predictor: Knows the encoder and the mixture.
        seed: Of the projections.
        unseen: How many of them the training did not see, which the heading then says.
    """
    space = Space.of([graphs], predictor)
    family = get_family(graphs.family)
    figure = new_figure(9.0, 7.4)
    heading = f"{family.title}: {len(graphs):,} networks"
    if unseen is not None:
        heading += ", unseen in training" if unseen == len(graphs) else f", {unseen:,} unseen in training"
    figure.suptitle(f"{heading}\n{family.label}", fontsize=11)
    shades = (_by_accuracy(space), _by_component(space))
    grid = _grid(figure, 2, 2)
    for row, method in enumerate(NAMES):
        projection = project_vectors(space.vectors, method, seed)
        for axes, shade in zip(grid[2 * row :], shades, strict=False):
            shade(axes, projection)
    return figure


def plot_families(graphs: Sequence[GraphSet], predictor: Predictor, *, seed: int = 0) -> Figure:
    """All families in one space: by family, by component, and by the accuracy's rank within the family.

    Args:
        graphs: The networks of each family; alike many, or the large ones take the map.
        predictor: Knows the encoder and the mixture.
        seed: Of the projections.
    """
    space = Space.of(graphs, predictor)
    linear, curved = (project_vectors(space.vectors, method, seed) for method in NAMES)
    figure = new_figure(9.0, 8.2)
    grid = _grid(figure, 2, 2)
    _by_family(space)(grid[0], linear)
    _by_family(space)(grid[1], curved)
    _by_rank(space)(grid[2], curved)
    _by_any_component(space)(grid[3], curved)
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside upper center", ncols=4, fontsize=9, frameon=False, markerscale=2.5
    )
    return figure


def _by_accuracy(space: Space) -> Shade:
    values = space.accuracies
    low, high = float(np.quantile(values, _LOWEST)), float(values.max())

    def shade(axes: Axes, projection: Projection) -> None:
        drawn = _scatter(axes, space, projection, c=values, cmap=_colours(), vmin=low, vmax=high)
        _bar(axes, drawn, "accuracy", extend="min" if values.min() < low else "neither")
        style(axes, f"{NAMES[projection.method]}, by accuracy", *projection.labels())

    return shade


def _by_rank(space: Space) -> Shade:
    def shade(axes: Axes, projection: Projection) -> None:
        options = {"cmap": _colours(), "vmin": 0.0, "vmax": 1.0}
        drawn = _scatter(axes, space, projection, c=space.ranks, marker="o", **options)
        bar = _bar(axes, drawn, "rank of the accuracy within its family", ticks=[0.0, 0.5, 1.0])
        bar.set_ticklabels(["worst", "median", "best"])
        style(axes, f"{NAMES[projection.method]}, by rank", *projection.labels())

    return shade


def _by_component(space: Space) -> Shade:
    """The components with most networks have a colour each, the rest share one."""
    from matplotlib.colors import ListedColormap

    found, counts = np.unique(space.components, return_counts=True)
    largest = found[np.argsort(-counts, kind="stable")][: len(COLOURS)]
    places = np.full(len(space.components), len(largest))
    for place, component in enumerate(largest):
        places[space.components == component] = place
    names = [f"{c} ({percent((space.components == c).mean())})" for c in largest]
    rest = len(found) - len(largest)
    if rest:
        names.append(f"{rest} more ({percent((places == len(largest)).mean())})")
    colours = ListedColormap([*COLOURS[: len(largest)], REST][: len(names)])

    def shade(axes: Axes, projection: Projection) -> None:
        drawn = _scatter(axes, space, projection, c=places, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5)
        bar = _bar(axes, drawn, "component of the mixture (share of networks)", ticks=list(range(len(names))))
        bar.set_ticklabels(names)
        bar.ax.tick_params(length=0)
        bar.ax.invert_yaxis()
        style(axes, f"{NAMES[projection.method]}, by component", *projection.labels())

    return shade


def _by_any_component(space: Space) -> Shade:
    """Every component has a colour; those that share one lie far apart on the map."""
    found, counts = np.unique(space.components, return_counts=True)

    def shade(axes: Axes, projection: Projection) -> None:
        centres: list[list[npt.NDArray[np.float64]]] = [[] for _ in COLOURS]
        colours = np.full(len(space.components), REST)
        for component in found[np.argsort(-counts, kind="stable")]:
            own = space.components == component
            centre = np.median(projection.points[own], axis=0)
            gaps = [
                min((float(np.linalg.norm(c - centre)) for c in taken), default=np.inf) for taken in centres
            ]
            place = int(np.argmax(gaps))
            centres[place].append(centre)
            colours[own] = COLOURS[place]
        _scatter(axes, space, projection, c=colours, marker="o")
        title = f"{NAMES[projection.method]}, by component ({len(found)}; far ones share colours)"
        style(axes, title, *projection.labels())

    return shade


def _by_family(space: Space) -> Shade:
    def shade(axes: Axes, projection: Projection) -> None:
        colours = [COLOURS[i % len(COLOURS)] for i, part in enumerate(space.graphs) for _ in part.keys]
        _scatter(axes, space, projection, c=np.asarray(colours), marker="o")
        style(axes, f"{NAMES[projection.method]}, by family", *projection.labels())

    return shade


def _scatter(
    axes: Axes,
    space: Space,
    projection: Projection,
    c: npt.NDArray[Any],
    marker: str | None = None,
    **options: Any,
) -> Any:
    """Points of every family, each with its marker and in the legend; the last is for the colour bar."""
    drawn = None
    for index, (part, own) in enumerate(space.parts()):
        drawn = axes.scatter(
            projection.points[own, 0],
            projection.points[own, 1],
            c=c[own],
            s=9,
            marker=marker or MARKERS[index % len(MARKERS)],
            linewidths=0,
            label=f"{get_family(part.family).title} ({len(part):,})",
            **options,
        )
    ends = projection.frame()
    axes.set(xticks=[], yticks=[], xlim=ends[0], ylim=ends[1])
    low, high = np.transpose(ends)
    outside = int(((projection.points < low) | (projection.points > high)).any(axis=1).sum())
    if outside:
        note = f"{outside} more outside"
        axes.text(0.015, 0.015, note, transform=axes.transAxes, fontsize=8, color="#666666")
    return drawn


def _colours() -> Any:
    """The colours of accuracies, without the palest, which white paper hides."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[ACCURACY_MAP](np.linspace(0.0, 0.95, 256)))


def _reach(ends: tuple[float, float], values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """An axis that shows these values too."""
    margin = 0.04 * (ends[1] - ends[0])
    return min(ends[0], float(values.min()) - margin), max(ends[1], float(values.max()) + margin)


def _bar(axes: Axes, drawn: Any, label: str, **options: Any) -> Any:
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=30, **options)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return bar


def _grid(figure: Figure, rows: int, columns: int) -> list[Axes]:
    return [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]


def _path_graphs(run_dir: Path) -> list[Any]:
    """Graphs of the user's model, of what was made from it, and so on to the best."""
    from nas_assistant.assistant import RunDirectory, read_run

    if not (run_dir / "original.json").is_file():
        raise UserError(f"{run_dir}: not the folder of a run of 'nas-assistant improve'")
    with closing(RunDirectory(run_dir)) as run:
        record = read_run(run)
    return [record.graph(number) for number in record.lineage()]
