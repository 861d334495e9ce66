"""Every candidate of a run, in a table that sorts."""

from __future__ import annotations

from nas_assistant.assistant import Candidate
from nas_assistant.reports.run_report._text import escaped

_COLUMNS = ("#", "from", "edits", "predicted", "gain", "familiarity", "result")
_LONGEST = 600


def table_section(candidates: tuple[Candidate, ...], lineage: tuple[int, ...]) -> str:
    """One row a candidate; those on the way to the best are marked."""
    if not candidates:
        return '<p class="none">No candidate was checked.</p>'
    heads = "".join(f'<th><button type="button">{name}</button></th>' for name in _COLUMNS)
    rows = "".join(_row(entry, entry.number in lineage) for entry in candidates)
    return (
        f'<div class="scroll"><table class="candidates"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(entry: Candidate, on_path: bool) -> str:
    edits = "".join(f"<div>{escaped(line[:_LONGEST])}</div>" for line in entry.changes) or "-"
    if entry.failure is not None:
        kind = entry.failure.kind.value
        result = (kind, f"<b>{escaped(kind)}</b>: {escaped(entry.failure.message[:_LONGEST])}")
    else:
        word = "on the way to the best" if on_path else "best so far" if entry.best else "valid"
        result = (word, word)
    shown = "path" if on_path else "failed" if entry.failure is not None else ""
    return (
        f'<tr class="{shown}">'
        f"{_number(entry.number, 'd')}{_number(entry.parent, 'd')}<td>{edits}</td>"
        f"{_number(entry.accuracy, '.4f')}{_number(entry.gain, '+.4f')}{_number(entry.familiarity, '.2f')}"
        f'<td data-v="{escaped(result[0])}">{result[1]}</td></tr>'
    )


def _number(value: float | None, form: str) -> str:
    if value is None:
        return '<td class="num" data-v="">-</td>'
    return f'<td class="num" data-v="{value!r}">{value:{form}}</td>'
