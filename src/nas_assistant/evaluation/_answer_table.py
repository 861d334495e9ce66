"""Tables of what generators answered: rates with Wilson intervals, and the controls of the ranking."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

UNIFORM = "uniform"
"""The row that draws blindly from the offers that models get."""

_RESAMPLES = 2_000
_Z = 1.959964


def wilson(successes: int, trials: int, z: float = _Z) -> tuple[float, float]:
    """The interval of a rate (Wilson 1927), 95 % by default.

    Args:
        successes: How often it happened.
        trials: Of how many.
        z: Standard deviations to either side.
    """
    if trials == 0:
        return 0.0, 1.0
    rate, square = successes / trials, z * z
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2)) / (1 + square / trials)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def tabulate_answers(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each row and group of files: valid answers, failures by kind, tokens and seconds."""
    lines = []
    for (row, group), found in _grouped(records).items():
        asked = [record for record in found if record["asked"]]
        valid = [record for record in asked if record["valid"]]
        low, high = wilson(len(valid), len(asked))
        failed = Counter(record["failure"] for record in asked if not record["valid"])
        lines.append(
            {
                "row": row,
                "files": group,
                "answers": len(asked),
                "valid": len(valid),
                "rate": len(valid) / len(asked) if asked else 0.0,
                "low": low,
                "high": high,
                "failures": ", ".join(f"{kind} {count}" for kind, count in failed.most_common()),
                "refused": sum(bool(record.get("refused")) for record in found),
                "prompt_tokens": _average(record["prompt_tokens"] for record in asked),
                "answer_tokens": _average(record["answer_tokens"] for record in asked),
                "seconds": _average(record["seconds"] for record in asked),
                "gain": _average(record["gain"] for record in valid),
            }
        )
    return lines


def tabulate_choices(records: Sequence[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """A line for each row that chooses among edits: what its answers' first picks have to do with the scores.

    ``hurting`` is the share of answers that pick an edit of a layer shown to hurt; ``following`` of those
    that do as the ranking says, which is to take away or replace what hurts or to add to what helps.
    ``offered`` is what a blind draw from the edits put before the model would have given, ``legal`` from all
    legal edits. ``read`` is how much of ``following`` is the model's own: the mean over the files of picked
    less offered, with its 95 % interval (a bootstrap of the files). ``more_gain`` is the predicted gain of
    its valid answers less that of the row ``uniform`` for the same file and try, which was offered the same.

    Args:
        records: Of :func:`measure_answers`.
        seed: Of the bootstrap.
    """
    lines = []
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["asked"] and record["picked"] and record["offered"] and record["legal"]:
            rows[record["unit"]["row"]].append(record)
    blind = {_place(record): record["gain"] for record in rows.get(UNIFORM, ())}
    for row, found in rows.items():
        hurting = sum(record["picked"][0][0] for record in found)
        following = sum(record["picked"][0][1] for record in found)
        excess: dict[str, list[float]] = defaultdict(list)
        more: dict[str, list[float]] = defaultdict(list)
        for record in found:
            file, other = record["unit"]["file"], blind.get(_place(record))
            excess[file].append(record["picked"][0][1] - record["offered"][1])
            if record["gain"] is not None and other is not None:
                more[file].append(record["gain"] - other)
        lines.append(
            {
                "row": row,
                "answers": len(found),
                "hurting": hurting / len(found),
                "hurting_interval": wilson(hurting, len(found)),
                "hurting_offered": _average(record["offered"][0] for record in found),
                "following": following / len(found),
                "following_interval": wilson(following, len(found)),
                "following_offered": _average(record["offered"][1] for record in found),
                "following_legal": _average(record["legal"][1] for record in found),
                "read": _average(value for values in excess.values() for value in values),
                "read_interval": _cluster_interval(list(excess.values()), seed),
                "more_gain": _average(value for values in more.values() for value in values),
                "more_gain_interval": _cluster_interval(list(more.values()), seed),
            }
        )
    return lines


def _grouped(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Records by row and group of files, and by row over all where there is more than one group."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        grouped[record["unit"]["row"], record["unit"]["group"]].append(record)
    groups: dict[str, list[str]] = defaultdict(list)
    for row, group in grouped:
        groups[row].append(group)
    for row, names in groups.items():
        if len(names) > 1:
            grouped[row, "all"] = [record for name in names for record in grouped[row, name]]
    return dict(sorted(grouped.items(), key=lambda item: list(groups).index(item[0][0])))


def _average(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _place(record: dict[str, Any]) -> tuple[Any, ...]:
    unit = record["unit"]
    return unit["group"], unit["file"], unit["try"], unit["seed"]


def _cluster_interval(clusters: Sequence[Sequence[float]], seed: int) -> tuple[float, float] | None:
    """95 % percentile interval of the mean, whole clusters drawn with replacement."""
    if not clusters:
        return None
    sums = np.asarray([sum(values) for values in clusters])
    sizes = np.asarray([len(values) for values in clusters])
    drawn = np.random.default_rng(seed).integers(len(clusters), size=(_RESAMPLES, len(clusters)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
