"""The benchmark families and their label tables."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas_assistant.errors import UserError


@dataclass(frozen=True, slots=True)
class FamilySummary:
    """One family's labels.

    Attributes:
        name: The family.
        title: Its name in full.
        label: What its accuracy is.
        file: The label table it expects.
        rows: Labelled networks, or None when the table is missing or damaged.
        accuracy: Smallest, mean, largest accuracy and the standard deviation, or None.
        problem: Why there are no rows, or empty.
    """

    name: str
    title: str
    label: str
    file: str
    rows: int | None = None
    accuracy: tuple[float, float, float, float] | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)


def summarise_families(data_root: str | Path | None = None) -> list[FamilySummary]:
    """Read every label table there is.

    Args:
        data_root: Folder of the tables; ``NAS_ASSISTANT_DATA`` or ``../shared/data`` by default.
    """
    from nas_assistant.families import find_data_root, list_families

    root = find_data_root(data_root)
    return [_summary(name, root) for name in list_families()]


def _summary(name: str, root: Path) -> FamilySummary:
    from nas_assistant.families import get_family

    family = get_family(name)
    known = (name, family.title, family.label, str(root / family.table))
    try:
        values = [network.accuracy for network in family.networks(root)]
    except UserError as error:
        return FamilySummary(*known, problem=str(error))
    if not values:
        return FamilySummary(*known, problem="the table has no rows")
    spread = (min(values), statistics.fmean(values), max(values), statistics.pstdev(values))
    return FamilySummary(*known, len(values), spread)
