"""Means of the loop's units with bootstrap intervals, and each row against another on the same networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas_assistant.metrics import Array

Record = Mapping[str, Any]

_RATES = {"valid_rate": "valid", "changed_rate": "changed", "in_family": "in_family", "labelled": "labelled"}
_PAIRED = ("predicted_gain", "iterations", "estimated_gain", "family_gain")

RESAMPLES = 2_000


def tabulate(records: Sequence[Record], seed: int = 0) -> list[dict[str, Any]]:
    """One row for each family and row of the units; every mean with its 90 % interval over the networks.

    Columns of a row:
        networks, reached, max_outs: How many there are, and how many did or did not pass the target.
        iterations, predicted_gain: Means; a network that was given up counts with all its rounds.
        true_gain: Of the last best, over the ``true_networks`` where that is labelled.
        estimated_gain: The same over the ``family_networks`` where it is of the family, with the regression's
            word where it has no label. A search that found nothing better has gain 0.
        family_gain: Of the candidate predicted best among those of the family, over all networks.
        regret: The family's best accuracy less that of the last best, over ``family_networks``.
        in_family, labelled: Shares of the valid candidates.
        valid_rate, changed_rate: Shares of all candidates.
        seconds, tokens: For each candidate that became the best.

    Args:
        records: Units as the run returns them.
        seed: Of the resamples.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["unit"]["family"], record["unit"]["row"]), []).append(record)
    return [_row(family, row, units, seed) for (family, row), units in groups.items()]


def compare_rows(records: Sequence[Record], reference: str, seed: int = 0) -> list[dict[str, Any]]:
    """Differences of a row to the others, network by network: the row's value less the other's.

    Args:
        records: Units.
        reference: Name of the row.
        seed: Of the resamples.
    """
    units = {(r["unit"]["family"], r["unit"]["row"], r["unit"]["network"]): r for r in records}
    pairs: dict[tuple[str, str], list[tuple[Record, Record]]] = {}
    for (family, row, network), other in units.items():
        own = units.get((family, reference, network))
        if own is not None and row != reference:
            pairs.setdefault((family, row), []).append((own, other))
    found = []
    for (family, row), both in pairs.items():
        line: dict[str, Any] = {"family": family, "row": reference, "against": row, "networks": len(both)}
        for name in _PAIRED:
            values = [(_value(own, name), _value(other, name)) for own, other in both]
            known = [a - b for a, b in values if a is not None and b is not None]
            line[name], line[f"{name}_interval"] = _mean(np.asarray(known), seed)
            line[f"{name}_networks"] = len(known)
        found.append(line)
    return found


def _row(family: str, row: str, units: Sequence[Record], seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"family": family, "row": row, "networks": len(units)}
    found["reached"] = sum(bool(unit["reached"]) for unit in units)
    found["max_outs"] = len(units) - found["reached"]
    found["target_gain"] = units[0]["target_gain"]
    for name in ("iterations", "predicted_gain", "true_gain", "estimated_gain", "family_gain", "regret"):
        values = [value for value in (_value(unit, name) for unit in units) if value is not None]
        found[name], found[f"{name}_interval"] = _mean(np.asarray(values, dtype=np.float64), seed)
        if name in ("true_gain", "estimated_gain"):
            found["true_networks" if name == "true_gain" else "family_networks"] = len(values)
    for name, key in _RATES.items():
        of = "valid" if name in ("in_family", "labelled") else "candidates"
        found[name], found[f"{name}_interval"] = _ratio(units, key, of, seed)
    found["candidates"] = sum(unit["candidates"] for unit in units) / len(units)
    found["seconds"], found["seconds_interval"] = _ratio(units, "seconds", "accepted", seed)
    counted = [unit for unit in units if unit.get("tokens") is not None]
    found["tokens"], found["tokens_interval"] = _ratio(counted, "tokens", "accepted", seed)
    return found


def _value(unit: Record, name: str) -> float | None:
    """A number of a unit, None where it is not known."""
    start, best = unit["start"], unit["best"]
    if name == "true_gain":
        known = best is not None and best["accuracy"] is not None
        return best["accuracy"] - start if known else None
    if name == "estimated_gain":
        return None if best is None else float(best["estimate"] - start)
    if name == "family_gain":
        return float(unit["best_in_family"]["estimate"] - start)
    if name == "regret":
        return None if best is None else float(unit["best_of_family"] - best["estimate"])
    return float(unit[name])


def _mean(values: Array, seed: int) -> tuple[float | None, list[float] | None]:
    """The mean, and its percentile interval (Efron and Tibshirani 1993, section 13.3)."""
    if not len(values):
        return None, None
    drawn = _draws(len(values), seed)
    return float(values.mean()), _ends(values[drawn].mean(axis=1))


def _ratio(
    units: Sequence[Record], upper: str, lower: str, seed: int
) -> tuple[float | None, list[float] | None]:
    """The ratio of two sums over the networks, and its interval."""
    above = np.asarray([unit[upper] for unit in units], dtype=np.float64)
    below = np.asarray([unit[lower] for unit in units], dtype=np.float64)
    if not below.sum():
        return None, None
    drawn = _draws(len(units), seed)
    sums = below[drawn].sum(axis=1)
    ratios = above[drawn].sum(axis=1)[sums > 0] / sums[sums > 0]
    return float(above.sum() / below.sum()), _ends(ratios)


def _draws(networks: int, seed: int) -> Any:
    return np.random.default_rng([seed, networks]).integers(networks, size=(RESAMPLES, networks))


def _ends(values: Array) -> list[float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return [float(low), float(high)]
