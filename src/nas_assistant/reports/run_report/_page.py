"""The report of a run: one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from pathlib import Path
from string import Template

from nas_assistant._files import replacing
from nas_assistant.assistant import SAME_ACCURACY, Options, RunRecord
from nas_assistant.errors import UserError
from nas_assistant.predictors import Predictor
from nas_assistant.relevance import relevance
from nas_assistant.reports.run_report._background import Background
from nas_assistant.reports.run_report._curve import curve_section
from nas_assistant.reports.run_report._diff import diff_section
from nas_assistant.reports.run_report._front import front_section
from nas_assistant.reports.run_report._header import header_section
from nas_assistant.reports.run_report._lines import source_relevance
from nas_assistant.reports.run_report._map import find_places, map_section
from nas_assistant.reports.run_report._source import source_section
from nas_assistant.reports.run_report._table import table_section
from nas_assistant.reports.run_report._text import escaped


def write_report(
    record: RunRecord,
    predictor: Predictor,
    out: Path,
    *,
    checkpoint: str = "unnamed",
    background: Background | None = None,
) -> Path:
    """Write the report of a run as one HTML file, which loads nothing from elsewhere.

    Args:
        record: The run.
        predictor: The one that the run worked with.
        out: The file.
        checkpoint: What to call the predictor.
        background: Networks to draw the map on.

    Raises:
        UserError: The predictor is another one, a graph cannot be read, or the file cannot be written.
    """
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name a file, as in --out {out / 'report.html'}")
    page = render(record, predictor, checkpoint=checkpoint, background=background)
    try:
        with replacing(out) as partial:
            partial.write_bytes(page.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
    return out


def render(record: RunRecord, predictor: Predictor, *, checkpoint: str, background: Background | None) -> str:
    """The page of :func:`write_report` as text."""
    original = record.graph(0)
    before, after = predictor.predict(original), predictor.predict(record.graph(record.best))
    accuracy = float(record.config["accuracy"])
    if abs(before.accuracy - accuracy) > SAME_ACCURACY:
        raise UserError(f"{record.run.path}: the run had another predictor: give the same --checkpoint")
    lines = source_relevance(original, relevance(original, predictor), record.path)
    lineage = record.lineage()
    target = record.target if Options.from_json(record.config["options"]).ends_at_target else None
    script = _template("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_template("page.html")).substitute(
        digest=digest,
        style=_template("page.css"),
        script=script,
        title=escaped(record.name),
        header=header_section(record, predictor, before, after, target, checkpoint),
        diff=diff_section(record.diff),
        source=source_section(record.source, lines),
        table=table_section(record.candidates, lineage),
        front=front_section(record),
        curve=curve_section(accuracy, target, record.candidates),
        map=map_section(
            find_places(record, predictor, background), lineage, seed=int(record.config["options"]["seed"])
        ),
    )


def _template(name: str) -> str:
    return (importlib.resources.files(__package__ or "") / "templates" / name).read_text(encoding="utf-8")
