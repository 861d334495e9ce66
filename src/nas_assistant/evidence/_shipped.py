"""The stackers that the package ships."""

from __future__ import annotations

import json
from importlib import resources

from nas_assistant.errors import UserError
from nas_assistant.evidence._stacker import PREDICTOR, Stacker

PROXIES = "proxies"
BOTH = "both"
KINDS = (PREDICTOR, PROXIES, BOTH)
"""What a run may go by."""

FILE = "stackers.json"


def load_stacker(kind: str) -> Stacker:
    """A shipped stacker, learned from seven families by ``benchmarks/ensemble.py --fit``.

    Args:
        kind: ``proxies`` or ``both``.

    Raises:
        UserError: It is neither.
    """
    if kind not in (PROXIES, BOTH):
        raise UserError(f"no stacker for {kind!r}: choose {PROXIES!r} or {BOTH!r}")
    text = resources.files("nas_assistant.evidence").joinpath(FILE).read_text("utf-8")
    return Stacker.from_json(json.loads(text)[kind])
