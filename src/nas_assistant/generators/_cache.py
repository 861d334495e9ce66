"""Answers of language models that were paid for once, in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_assistant._files import replacing

FOLDER_MODE = 0o700


class AnswerCache:
    """One small file for each answer, named by the digest of its question. It holds no prompt.

    A cache never stops a run: what cannot be read is a miss, what cannot be written is left.

    Args:
        folder: Where; ``$XDG_CACHE_HOME/nas-assistant/answers`` or the same under ``~/.cache`` by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def read(self, key: str) -> dict[str, Any] | None:
        """What was written under a key, or None."""
        try:
            data = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return data if isinstance(data, dict) and data.get("key") == key else None

    def write(self, key: str, values: Mapping[str, Any]) -> None:
        """Keep values under a key, whole or not at all."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            with replacing(path, mode=0o600) as partial:
                partial.write_text(json.dumps({"key": key, **values}), encoding="utf-8")

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def default_folder() -> Path:
    """The folder of the user's own cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nas-assistant" / "answers"
