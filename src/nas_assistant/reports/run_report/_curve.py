"""The best predicted accuracy over the candidates, as SVG."""

from __future__ import annotations

from nas_assistant.assistant import Candidate
from nas_assistant.reports.run_report._text import escaped

_WIDTH, _HEIGHT = 680, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 44


def curve_section(original: float, target: float | None, candidates: tuple[Candidate, ...]) -> str:
    """A step line of the best so far, a dot a candidate; failed ones stand at the foot.

    Args:
        original: Predicted accuracy of the user's file.
        target: The predicted accuracy that was to be passed, if any; drawn when it is in reach.
        candidates: In the order in which they were checked.
    """
    values = [original, *(entry.accuracy for entry in candidates if entry.accuracy is not None)]
    low, high = min(values), max(values)
    if target is not None and not low <= target <= min(1.0, high + 2 * (high - low) + 0.01):
        target = None
    if target is not None:
        high = max(high, target)
    margin = 0.06 * (high - low) or 0.01
    low, high = low - margin, high + margin
    last = max(len(candidates), 1)

    def x(number: float) -> float:
        return round(_LEFT + number / last * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    foot = _HEIGHT - _BOTTOM
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v)}" y2="{y(v)}"/>'
        f'<text x="{_LEFT - 8}" y="{y(v) + 4}" text-anchor="end">{v:.4f}</text>'
        for v in (low + (high - low) * step / 4 for step in range(5))
    ]
    every = max(1, last // 8)
    parts += [
        f'<text x="{x(n)}" y="{foot + 18}" text-anchor="middle">{n}</text>' for n in range(0, last + 1, every)
    ]
    if target is not None:
        parts.append(
            f'<line class="target" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(target)}" y2="{y(target)}"/>'
            f'<text x="{_WIDTH - _RIGHT}" y="{y(target) - 5}" text-anchor="end">target {target:.4f}</text>'
        )
    best, line = original, f"M{x(0)} {y(original)}"
    for entry in candidates:
        here = x(entry.number)
        if entry.accuracy is None:
            word = entry.failure.kind.value if entry.failure else "not predicted"
            parts.append(
                f'<path class="fail" d="M{here} {foot}v-7"><title>{entry.number}: {escaped(word)}</title>'
                "</path>"
            )
            continue
        parts.append(
            f'<circle class="{"kept" if entry.best else "dot"}" cx="{here}" cy="{y(entry.accuracy)}" r="3.5">'
            f"<title>{entry.number}: {entry.accuracy:.4f}</title></circle>"
        )
        best = entry.accuracy if entry.best else best
        line += f"H{here}V{y(best)}"
    parts.append(f'<path class="best" d="{line}H{x(last)}"/>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">candidate</text>')
    return (
        f'<div class="scroll"><svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Best predicted accuracy over the candidates">{"".join(parts)}</svg></div>'
    )
