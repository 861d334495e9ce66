"""Chooses the folder of a run, and the options that hold in it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nas_assistant.assistant._options import Options
from nas_assistant.assistant._run import (
    SOURCE_DIGEST,
    check_free,
    digest,
    holds_run,
    latest_run_path,
    make_run_folder,
    read_config,
)
from nas_assistant.errors import UserError


def choose_run(
    path: Path,
    text: str,
    options: Options,
    run_dir: str | Path | None,
    resume: bool,
    explicit: Collection[str],
) -> tuple[Path, Options, tuple[str, ...]]:
    """Where a run begins or goes on.

    Args:
        path: The user's file.
        text: What is in it.
        options: What the user says.
        run_dir: The folder, or None for a new one or the newest.
        resume: Whether to go on with the run in it.
        explicit: See :meth:`Options.resumed`.

    Returns:
        The folder, the options that hold in it, and what to announce.

    Raises:
        UserError: The folder is taken, or the run in it is another.
    """
    folder = Path(run_dir) if run_dir is not None else None
    if not resume:
        folder = folder or make_run_folder(path)
        if holds_run(folder):
            raise UserError(f"{folder}: holds a run already: give --resume to go on, or another --run-dir")
        check_free(folder)
        return folder, options, ()
    folder = folder or latest_run_path(path, text)
    if folder is None or not holds_run(folder):
        check_free(place := folder or make_run_folder(path))
        return place, options, (f"{place}: no run to resume, a new one begins",)
    config = read_config(folder)
    if config is None or config.get(SOURCE_DIGEST) != digest(text):
        raise UserError(
            f"{path}: not the file that the run in {folder} began with: put it back, or start anew without "
            "--resume"
        )
    return folder, Options.from_json(config.get("options")).resumed(options, explicit), ()
