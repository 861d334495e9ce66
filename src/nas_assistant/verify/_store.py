"""Labels that the user measured, as ``train --fine-tune`` takes them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant._files import RUNS, locked, replace_json, replace_text
from nas_assistant.errors import UserError
from nas_assistant.verify._bench import Bench
from nas_assistant.verify._subject import Subject

DEFAULT_STORE = RUNS / "verified"
_LABELS, _BUDGET = "labels.csv", "budget.json"
_COLUMNS = ("file", "accuracy", "seeds", "deviation", "params", "model")


class LabelStore:
    """A folder of measured networks: a table for each budget, so that what stands in one was measured alike.

    ``<data>-<epochs>e-<images>n-<digest>/labels.csv`` names the graphs beside it with their accuracies, the
    mean over seeds; ``budget.json`` says how they were trained. A network that is measured again replaces
    its row, unless that is of more seeds.

    Args:
        path: The folder; made when something is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def tables(self) -> list[Path]:
        """The tables, in order of their names."""
        return sorted(self.path.glob(f"*/{_LABELS}"))

    def add_all(
        self,
        bench: Bench,
        facts: dict[str, Any],
        subjects: Sequence[Subject],
        seeds: Sequence[int],
        at: int | None = None,
    ) -> Path | None:
        """Add models at one budget.

        Args:
            bench: Where they were trained.
            facts: Of the samples, as :meth:`Bench.prepare` gives them.
            subjects: The models; one that not every seed has trained so far is left out.
            seeds: The seeds to take the mean of.
            at: After how many epochs of the schedule; all of them by default.

        Returns:
            The table, or None when nothing was added.
        """
        at = at or bench.recipe.epochs
        rows = []
        for subject in subjects:
            runs = [bench.unit(subject, seed).epochs() for seed in seeds]
            ends = [run[at - 1].accuracy for run in runs if len(run) >= at]
            if ends and len(ends) == len(seeds):
                rows.append((subject, ends))
        if not rows:
            return None
        budget = {"data": bench.data, "samples": facts, "recipe": bench.recipe.to_json(), "epochs": at}
        digest = hashlib.blake2b(json.dumps(budget, sort_keys=True).encode(), digest_size=4).hexdigest()
        data = re.sub(r"[^0-9A-Za-z]+", "-", Path(bench.data).name).strip("-") or "data"
        of = f"of{bench.recipe.epochs}" if at < bench.recipe.epochs else ""
        folder = self.path / f"{data}-{at}{of}e-{facts['train']}n-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            replace_json(folder / _BUDGET, budget)
            table = _read(folder / _LABELS)
            for subject, ends in rows:
                name = f"graphs/{subject.graph.hash[:32]}.json"
                replace_json(folder / name, subject.graph.to_json())
                if _seeds(table.get(name)) <= len(ends):
                    table[name] = _row(name, subject, ends)
            replace_text(folder / _LABELS, _write(table.values()))
        return folder / _LABELS


def _row(name: str, subject: Subject, ends: list[float]) -> dict[str, str]:
    deviation = f"{np.std(ends, ddof=1):.6f}" if len(ends) > 1 else ""
    values = (f"{np.mean(ends):.6f}", str(len(ends)), deviation, str(subject.graph.parameters), subject.name)
    return dict(zip(_COLUMNS, (name, *values), strict=True))


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        if "file" not in (reader.fieldnames or ()):
            raise UserError(f"{path}:1: no column 'file': put the line back, or name another --store")
        return {row["file"]: row for row in reader}


def _seeds(row: dict[str, str] | None) -> int:
    text = (row or {}).get("seeds") or ""
    return int(text) if text.isdecimal() else 0


def _write(rows: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", extrasaction="ignore", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
