"""Predicted against measured accuracy."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas_assistant.families import get_family
from nas_assistant.reports._theme import COLOURS, new_figure, percent, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nas_assistant.predictors import Predictor
    from nas_assistant.training import GraphSet

_BAND, _DIAGONAL = "#dfe5ec", "#777777"
_LOWEST = 0.05
"""Quantile of the accuracies at which a panel starts: a few failed trainings would take most of it."""


def plot_predictions(graphs: Sequence[GraphSet], predictor: Predictor) -> Figure:
    """Predicted against measured accuracy, a panel for each family, with its rank correlation.

    A grey band is where the 90 % intervals of the predictions lie. A family whose labels only rank, such as
    accuracies on ImageNet, has neither intervals nor a diagonal.

    Args:
        graphs: The networks of each family.
        predictor: The predictor.
    """
    columns = min(len(graphs), 3)
    rows = -(-len(graphs) // columns)
    figure = new_figure(max(3.0 * columns, 4.5), max(3.1 * rows, 4.2))
    for place, part in enumerate(graphs):
        axes = figure.add_subplot(rows, columns, place + 1)
        _panel(axes, part, predictor, COLOURS[place % len(COLOURS)])
    if any(get_family(part.family).comparable for part in graphs):
        empty = len(graphs) < rows * columns
        _legend(figure, figure.add_subplot(rows, columns, len(graphs) + 1) if empty else None)
    return figure


def _panel(axes: Axes, graphs: GraphSet, predictor: Predictor, colour: str) -> None:
    from nas_assistant.metrics import spearman

    predictions = predictor.predict_arrays(graphs.graphs)
    predicted = np.asarray([p.accuracy for p in predictions])
    measured = graphs.accuracies
    family = get_family(graphs.family)
    remark = f"{len(graphs):,} networks, SRCC {spearman(predicted, measured):.3f}"
    if family.comparable:
        ends = np.asarray([p.interval for p in predictions])
        inside = float(((ends[:, 0] <= measured) & (measured <= ends[:, 1])).mean())
        remark += f"\n90 % interval holds {percent(inside)}"
        low, high = _limits(np.concatenate([predicted, measured]))
        order = np.argsort(predicted, kind="stable")
        axes.fill_betweenx(predicted[order], *ends[order].T, color=_BAND, linewidth=0, zorder=1)
        axes.plot([low, high], [low, high], "--", color=_DIAGONAL, linewidth=0.8, zorder=2)
        axes.set(xlim=(low, high), ylim=(low, high))
    else:
        remark += "\nranks only: labels of another kind"
        axes.set(xlim=_limits(measured), ylim=_limits(predicted))
    axes.scatter(measured, predicted, s=7, alpha=0.45, color=colour, linewidths=0, zorder=3)
    outside = int(((measured < axes.get_xlim()[0]) | (predicted < axes.get_ylim()[0])).sum())
    if outside:
        note = f"{outside} more outside"
        axes.text(0.98, 0.03, note, transform=axes.transAxes, fontsize=8, color="#666666", ha="right")
    style(axes, f"{family.title}\n{remark}", textwrap.fill(family.label, 40), "predicted accuracy")
    axes.title.set_fontsize(9)
    axes.xaxis.label.set_fontsize(8)
    axes.locator_params(nbins=5)


def _limits(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(np.quantile(values, _LOWEST)), float(values.max())
    # All are shown where the lowest are not far off.
    low = max(float(values.min()), low - 0.5 * (high - low))
    margin = 0.04 * max(high - low, 1e-3)
    return low - margin, high + margin


def _legend(figure: Figure, empty: Axes | None) -> None:
    """What the band and the diagonal are, in an empty panel or else below all."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=_BAND, label="90 % interval of a prediction"),
        Line2D([], [], linestyle="--", color=_DIAGONAL, label="predicted = measured"),
    ]
    if empty is None:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
        return
    empty.set_axis_off()
    empty.legend(handles=handles, loc="center left", fontsize=9, frameon=False)
