"""Predicted against measured accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas_assistant.families import get_family
from nas_assistant.reports._theme import COLOURS, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nas_assistant.predictors import Predictor
    from nas_assistant.training import GraphSet

_BAND = "#e3e8ee"


def plot_predictions(graphs: Sequence[GraphSet], predictor: Predictor) -> Figure:
    """Predicted against measured accuracy, a panel for each family, with its rank correlation.

    A grey line through each network is its 90 % interval. A family whose labels only rank, such as
    accuracies on ImageNet, has neither intervals nor a diagonal.

    Args:
        graphs: The networks of each family.
        predictor: The predictor.
    """
    columns = min(len(graphs), 3)
    rows = -(-len(graphs) // columns)
    figure = new_figure(max(3.0 * columns, 4.5), max(3.0 * rows, 4.0))
    for place, part in enumerate(graphs):
        axes = figure.add_subplot(rows, columns, place + 1)
        _panel(axes, part, predictor, COLOURS[place % len(COLOURS)])
    return figure


def _panel(axes: Axes, graphs: GraphSet, predictor: Predictor, colour: str) -> None:
    from nas_assistant.evaluation import spearman

    predictions = predictor.predict_arrays(graphs.graphs)
    predicted = np.asarray([p.accuracy for p in predictions])
    ends = np.asarray([p.interval for p in predictions])
    measured = graphs.accuracies
    family = get_family(graphs.family)
    remark = f"{len(graphs):,} networks, SRCC {spearman(predicted, measured):.3f}"
    if family.comparable:
        inside = float(((ends[:, 0] <= measured) & (measured <= ends[:, 1])).mean())
        remark += f"\n90 % interval holds {inside:.0%}"
        low, high = _limits(np.concatenate([predicted, measured]))
        axes.hlines(predicted, ends[:, 0], ends[:, 1], colors=_BAND, linewidth=1.0, zorder=1)
        axes.plot([low, high], [low, high], "--", color="#888888", linewidth=0.8, zorder=2)
        axes.set(xlim=(low, high), ylim=(low, high))
    else:
        remark += "\nranks only: other labels"
        axes.set(xlim=_limits(measured), ylim=_limits(predicted))
    axes.scatter(measured, predicted, s=7, alpha=0.45, color=colour, linewidths=0, zorder=3)
    style(axes, f"{family.title}\n{remark}", "measured accuracy", "predicted accuracy")
    axes.title.set_fontsize(9)


def _limits(values: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * max(high - low, 1e-3)
    return low - margin, high + margin
