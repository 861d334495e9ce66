"""The look that all pictures share, and how they are written to a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MARKERS = "os^DvP*X"
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc3311", "#7b4fa3", "#56b4e9", "#8c564b", "#d672b0", "#9a9a00")
"""Told apart by most people who see few colours (near Okabe and Ito 2008)."""
REST = "#cccccc"
ACCURACY_MAP = "viridis"
_INK, _FRAME = "#222222", "#bbbbbb"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    # Without pyplot: no window system, and nothing global.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(hspace=0.05, wspace=0.04))


def percent(share: float) -> str:
    """A share for a reader, such as ``12 %``."""
    return "<1 %" if 0.0 < share < 0.005 else f"{100 * share:.0f} %"


def style(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Title, labels and a light frame."""
    axes.set_title(title, fontsize=10, color=_INK)
    axes.set_xlabel(xlabel, fontsize=9, color=_INK)
    axes.set_ylabel(ylabel, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8, color=_FRAME, labelcolor=_INK)
    for spine in axes.spines.values():
        spine.set_color(_FRAME)


def check_suffix(out: Path) -> None:
    """Refuse a file that no picture can be written to.

    Raises:
        UserError: Its name ends in something else than :data:`SUFFIXES`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{out}: cannot draw that: use {', '.join(SUFFIXES)}")


def save(figure: Figure, out: Path, *, dpi: int = 150, colours: int | None = None) -> None:
    """Write a figure.

    Args:
        figure: The figure.
        out: ``.png``, ``.svg`` or ``.pdf``.
        dpi: Dots per inch of a ``.png``.
        colours: Of a ``.png`` with a palette, at most 256, which is a third as large; None for all colours.

    Raises:
        UserError: The file cannot be written, or is of another kind.
    """
    check_suffix(out)
    try:
        if colours is None or out.suffix.lower() != ".png":
            figure.savefig(out, dpi=dpi)
            return
        from PIL import Image

        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi)
        flat = Image.open(drawn).convert("RGB")
        # The medians alone would give the many pixels of the frame most of the colours.
        method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
        flat.quantize(colours, method=method, kmeans=3, dither=dither).save(out, optimize=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
