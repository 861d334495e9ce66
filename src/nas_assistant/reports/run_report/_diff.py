"""The diff of the user's file, under its header."""

from __future__ import annotations

import re

from nas_assistant.reports.run_report._text import escaped, verbatim

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KINDS = {"+": "added", "-": "removed", " ": ""}


def diff_section(diff: str) -> str:
    """A table with the line numbers of both files (Mishra 2023, figure 3.8), and a copy button."""
    if not diff:
        return '<p class="none">Nothing better was found: there is no diff.</p>'
    header, _, body = ("\n" + diff).partition("\n--- ")
    said = "".join(f"<div>{escaped(line)}</div>" for line in header.strip().split("\n"))
    return (
        f'<div class="head">{said}</div><p><button type="button" data-copy="{verbatim(diff)}">Copy the diff'
        f'</button></p><div class="scroll"><table class="diff">{"".join(_rows(body))}</table></div>'
    )


def _rows(body: str) -> list[str]:
    rows = []
    old = new = 0
    for line in body.removesuffix("\n").split("\n")[2:]:
        hunk = _HUNK.match(line)
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
            rows.append(f'<tr class="hunk"><td></td><td></td><td class="code">{escaped(line)}</td></tr>')
            continue
        sign = line[:1]
        first = str(old) if sign in " -" else ""
        second = str(new) if sign in " +" else ""
        if sign == "\\":  # no newline at the end of the file
            first = second = ""
        old, new = old + (first != ""), new + (second != "")
        rows.append(
            f'<tr class="{_KINDS.get(sign, "")}"><td class="n">{first}</td><td class="n">{second}</td>'
            f'<td class="code">{escaped(line.removesuffix(chr(13)))}</td></tr>'
        )
    return rows
