"""The relevance, painted on the user's source."""

from __future__ import annotations

from nas_assistant.reports.run_report._lines import LineRelevance, strengths
from nas_assistant.reports.run_report._text import escaped, lines_of

_MOST = 12


def source_section(source: str, lines: dict[int, LineRelevance]) -> str:
    """The source as a table; each line that creates or calls a layer is tinted, its hint lists the layers."""
    strong = strengths(lines)
    rows = []
    for number, text in enumerate(lines_of(source), start=1):
        found = lines.get(number)
        if found is None:
            rows.append(f'<tr><td class="n">{number}</td><td></td><td class="code">{escaped(text)}</td></tr>')
            continue
        kind = "good" if found.weight >= 0 else "bad"
        rows.append(
            f'<tr class="{kind}" style="--a:{strong[number]:.2f}" tabindex="0" data-line="{number}">'
            f'<td class="n">{number}</td><td class="w">{found.weight:+.3f}</td>'
            f'<td class="code">{escaped(text)}{_hint(found)}</td></tr>'
        )
    return f'<div class="scroll"><table class="source">{"".join(rows)}</table></div>'


def _hint(found: LineRelevance) -> str:
    parts = [
        f"<span>{escaped(role)} <b>{escaped(layer.layer or '(forward)')}</b> {escaped(layer.op)} "
        f"{layer.weight:+.4f}</span>"
        for layer, role in found.layers[:_MOST]
    ]
    if len(found.layers) > _MOST:
        parts.append(f"<span>and {len(found.layers) - _MOST} more</span>")
    return f'<span class="tip">{"".join(parts)}</span>'
