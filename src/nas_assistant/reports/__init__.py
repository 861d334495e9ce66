"""Reports: what is installed, what the label tables hold, and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_assistant.reports._doctor import Check, diagnose
from nas_assistant.reports._families import FamilySummary, summarise_families

if TYPE_CHECKING:
    from nas_assistant.reports._plots import draw as draw
    from nas_assistant.reports._plots import plot_families as plot_families
    from nas_assistant.reports._plots import plot_family as plot_family
    from nas_assistant.reports._plots import plot_map as plot_map
    from nas_assistant.reports._plots import plot_predictions as plot_predictions
    from nas_assistant.reports._plots import project as project
    from nas_assistant.reports._plots import save as save

_PLOTS = ("draw", "plot_families", "plot_family", "plot_map", "plot_predictions", "project", "save")

__all__ = [
    "Check",
    "FamilySummary",
    "diagnose",
    "draw",
    "plot_families",
    "plot_family",
    "plot_map",
    "plot_predictions",
    "project",
    "save",
    "summarise_families",
]


def __getattr__(name: str) -> Any:
    # The plots need numpy and more, which the other reports do without.
    if name in _PLOTS:
        from nas_assistant.reports import _plots

        return getattr(_plots, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
