"""The whole measurement of the loop: families, rows, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_assistant.evaluation._loop import LoopRecords, LoopSettings, Report, load_population, run_loop
from nas_assistant.evaluation._loop_rows import get_row
from nas_assistant.evaluation._loop_table import compare_rows, tabulate

_REFERENCES = ("mutate", "cells")
"""Rows that follow relevance; each is held against every other."""


def measure_loop(
    families: Sequence[str],
    rows: Sequence[str],
    settings: LoopSettings,
    *,
    records: Path,
    predictor: str | Path | None = None,
    data_root: Path | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run the units that are missing and make the tables (Mishra 2023, Figure 3.6).

    Args:
        families: Of :data:`nas_assistant.evaluation.LOOP_FAMILIES`.
        rows: See :func:`nas_assistant.evaluation.get_row`.
        settings: Of all units.
        records: File of the units.
        predictor: Checkpoint folder or name; the shipped one by default.
        data_root: Folder of the label tables.
        report: Called before each unit.

    Returns:
        ``settings``; ``families`` with deviation, target and the quality of the regression; ``rows``, see
        :func:`tabulate`; ``against``, see :func:`compare_rows`.

    Raises:
        UserError: A family, a row, the predictor or the file is at fault.
    """
    from nas_assistant.predictors import Predictor

    loaded = Predictor.load(predictor)
    chosen = [get_row(text) for text in rows]
    kept = LoopRecords(Path(records))
    populations = [load_population(name, loaded, settings, data_root) for name in families]
    units = run_loop(populations, chosen, settings, loaded, kept, report)
    present = {unit["unit"]["row"] for unit in units}
    return {
        "settings": {
            "networks": settings.networks,
            "iterations": settings.iterations,
            "proposals": settings.proposals,
            "seed": settings.seed,
        },
        "families": {
            population.family.name: {
                "networks": len(population.pool),
                "deviation": population.deviation,
                "target_gain": population.gain,
                "best": population.truth.best,
                "label": population.family.label,
                "regression": population.truth.quality,
            }
            for population in populations
        },
        "rows": tabulate(units, settings.seed),
        "against": [
            line
            for reference in _REFERENCES
            if reference in present
            for line in compare_rows(units, reference, settings.seed)
        ],
    }
