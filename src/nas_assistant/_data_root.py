"""Where the label tables and data sets lie."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NAS_ASSISTANT_DATA"


def find_data_root(given: str | Path | None = None) -> Path:
    """Folder of label tables and data sets: the argument, ``NAS_ASSISTANT_DATA``, or ``../shared/data``."""
    if given is not None:
        return Path(given)
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return beside if beside.is_dir() else Path.cwd().parent / "shared" / "data"
