"""The HTML report of a run of ``improve``, one module a section."""

from __future__ import annotations

from nas_assistant.reports.run_report._background import Background
from nas_assistant.reports.run_report._lines import LineRelevance, source_relevance, strengths
from nas_assistant.reports.run_report._page import write_report
from nas_assistant.reports.run_report._text import lines_of, visible

__all__ = [
    "Background",
    "LineRelevance",
    "lines_of",
    "source_relevance",
    "strengths",
    "visible",
    "write_report",
]
