"""Reports: what is installed, what the label tables hold, and maps of the embedding."""

from __future__ import annotations

from nas_assistant.reports._doctor import Check, diagnose
from nas_assistant.reports._families import FamilySummary, summarise_families

__all__ = ["Check", "FamilySummary", "diagnose", "summarise_families"]
