"""Accuracy against each cost, and the front, as SVG."""

from __future__ import annotations

from nas_assistant.assistant import Candidate, Front, RunRecord
from nas_assistant.costs import cost_text
from nas_assistant.reports.run_report._text import escaped

_WIDTH, _HEIGHT = 680, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 16, 44


def front_section(record: RunRecord) -> str:
    """The section of a run with objectives; empty for another one."""
    front = record.front()
    if front is None:
        return ""
    plots = "".join(_plot(front, cost, record.candidates) for cost in front.objectives[1:])
    return (
        '<section id="front"><h2>Accuracy against cost</h2>\n'
        "<p>Large dots: the front, the networks that no other one beats in everything. Ring: your file. "
        "Bars: the interval of a measured latency; what lies within it counts as equal. Hypervolume "
        f"{front.hypervolume:.3f}, where your file alone has 1.</p>\n{plots}\n</section>\n"
    )


def _plot(front: Front, cost: str, candidates: tuple[Candidate, ...]) -> str:
    chosen = {entry.number for entry in front.points}
    valid = [entry for entry in candidates if entry.failure is None and front.knows(entry, cost)]
    shown = [front.start, *valid]
    costs = [front.cost(entry, cost) for entry in shown]
    accuracies = [front.accuracy(entry) for entry in shown if not entry.number or entry.number in chosen]
    left, right = _room(min(costs), max(costs))
    # A network that is hardly believed counts with so little that it would flatten the rest.
    low, high = _room(min(accuracies), max(accuracies))

    def x(value: float) -> float:
        return round(_LEFT + (value - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - max(value, low)) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    foot = _HEIGHT - _BOTTOM
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v)}" y2="{y(v)}"/>'
        f'<text x="{_LEFT - 8}" y="{y(v) + 4}" text-anchor="end">{v:.4f}</text>'
        for v in (low + (high - low) * step / 4 for step in range(5))
    ]
    parts += [
        f'<text x="{x(v)}" y="{foot + 18}" text-anchor="middle">{escaped(cost_text(cost, v))}</text>'
        for v in (left + (right - left) * step / 4 for step in range(5))
    ]
    for entry in sorted(shown, key=lambda entry: (entry.number in chosen, entry.number == 0)):
        here, height = x(front.cost(entry, cost)), y(front.accuracy(entry))
        if cost == "latency" and entry.latency_interval is not None and entry.number:
            ends = [min(max(x(end), _LEFT), _WIDTH - _RIGHT) for end in entry.latency_interval]
            parts.append(f'<path class="child" d="M{ends[0]} {height}H{ends[1]}"/>')
        kind, radius = ("kept", 5) if entry.number in chosen else ("dot", 3)
        kind, radius = ("start", 6) if entry.number == 0 else (kind, radius)
        told = f"{entry.number}: {front.accuracy(entry):.4f}, {cost_text(cost, front.cost(entry, cost))}"
        parts.append(
            f'<circle class="{kind}" cx="{here}" cy="{height}" r="{radius}"><title>{escaped(told)}</title>'
            "</circle>"
        )
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{cost}</text>')
    return (
        f'<div class="scroll"><svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Predicted accuracy against {cost}">{"".join(parts)}</svg></div>'
    )


def _room(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return low - margin, high + margin
