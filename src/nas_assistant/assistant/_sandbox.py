"""A sandbox that warms up while the parent loads the predictor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from nas_assistant.errors import UserError
from nas_assistant.sources import Sandbox, choose_entry, find_entries


@contextlib.contextmanager
def warm_sandbox(path: Path, source: str, entry: str | None) -> Iterator[Sandbox]:
    """The sandbox for a file's framework, started in the background.

    What can be said of the file without running it is checked before anything starts.

    Raises:
        UserError: The file does not parse, holds no model, or several.
    """
    chosen = choose_entry(source, path, find_entries(source, path), entry)
    with Sandbox(chosen.framework) as sandbox:
        threading.Thread(target=_start, args=(sandbox,), daemon=True).start()
        yield sandbox


def _start(sandbox: Sandbox) -> None:
    # The first job starts it again and reports what is wrong.
    with contextlib.suppress(UserError, OSError):
        sandbox.start()
