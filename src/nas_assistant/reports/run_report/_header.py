"""What a run found, in a few figures."""

from __future__ import annotations

from nas_assistant.assistant import RunRecord
from nas_assistant.predictors import Prediction, Predictor
from nas_assistant.reports.run_report._text import escaped

_REASONS = {
    "threshold": "the target was passed",
    "iterations": "no round was left",
    "tokens": "the limit on tokens was reached",
    "usd": "the limit on cost was reached",
    "seconds": "the limit on time was reached",
    "interrupted": "interrupted",
    None: "not ended",
}


def header_section(
    record: RunRecord,
    predictor: Predictor,
    before: Prediction,
    after: Prediction,
    target: float | None,
    checkpoint: str,
) -> str:
    """The figures as a list of terms.

    Args:
        record: The run.
        predictor: Knows the interval of a gain.
        before: Prediction of the user's file.
        after: Prediction of the best; that of the user's file when nothing better was found.
        target: Where the run was to end, or None for one that went on.
        checkpoint: Name of the predictor's checkpoint.
    """
    options = record.config["options"]
    first, last = record.graph(0), record.graph(record.best)
    valid = sum(entry.failure is None for entry in record.candidates)
    count = len(record.candidates)
    model = options.get("generator_options", {}).get("model")
    low, high = predictor.gain_interval(before, after)
    gain = f"{after.accuracy - before.accuracy:+.4f}, nine in ten lie in {low:+.4f} to {high:+.4f}"
    facts = {
        "predicted accuracy": _change(f"{before.accuracy:.4f}", f"{after.accuracy:.4f}", record),
        "gain": gain if record.best else "nothing better was found",
        "nine in ten networks like the result lie in": f"{after.interval[0]:.4f} to {after.interval[1]:.4f}",
        "familiarity (0: unlike all that the predictor knows)": _change(
            f"{before.familiarity:.2f}", f"{after.familiarity:.2f}", record
        ),
        "operations never seen in training": ", ".join(after.unseen) or "none",
        "parameters": _change(f"{first.parameters:,}", f"{last.parameters:,}", record),
        "FLOPs": _change(f"{first.flops:,}", f"{last.flops:,}", record),
        "candidates": f"{count}, {valid} valid ({valid / count:.0%})" if count else "0",
        "seconds": f"{record.seconds:.1f}",
        "ended": str(_REASONS.get(record.stopped, record.stopped))
        + ("" if target is None else f" (target {target:.4f})"),
        "generator": options["generator"] + (f" ({model})" if model else ""),
        "best chosen by": options.get("evidence", "predictor"),
        "seed": options["seed"],
        "checkpoint": checkpoint,
        "version": record.config["version"],
    }
    return "".join(f"<div><dt>{escaped(k)}</dt><dd>{escaped(v)}</dd></div>" for k, v in facts.items())


def _change(before: str, after: str, record: RunRecord) -> str:
    return f"{before} → {after}" if record.best else before
