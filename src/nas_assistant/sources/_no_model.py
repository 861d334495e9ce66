"""In the child: what to report of an entry that gives no model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nas_assistant.errors import FailureKind
from nas_assistant.sources._child import kind_of
from nas_assistant.sources._choose import listed, parse_entry
from nas_assistant.sources._entries import find_entries
from nas_assistant.sources._load import JobFailure
from nas_assistant.sources._names import Names
from nas_assistant.sources._source import parse_source


def no_model(value: Any, job: dict[str, Any]) -> JobFailure:
    """The failure of an entry that gives something else: with its line, and what to name or write.

    Args:
        value: What it gives.
        job: With ``path``, ``source`` and ``entry``.
    """
    path, name = Path(job["path"]), parse_entry(job["entry"]).name
    line = _line(Names(parse_source(job["source"], path)), name)
    place = f"{path.name}:{line}" if line else path.name
    text = f"{place}: {job['entry']} gives {kind_of(value)}, not an nn.Module or a keras.Model"
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(value, keras.layers.Layer):
        text += "; wrap the layer in a keras.Sequential or a keras.Model"
    others = [one for one in find_entries(job["source"], path) if one.name != name]
    models = [one for one in others if one.outermost] or others
    if models:
        text += f"; the file's models: {listed(models)}"
    return JobFailure(FailureKind.IMPORT, text, line)


def _line(names: Names, name: str) -> int | None:
    """Where a module defines a name, the last time."""
    lines = [kind[name].lineno for kind in (names.classes, names.functions) if name in kind]
    return max([*lines, *(names.assigned[name][1:] if name in names.assigned else ())], default=None)
