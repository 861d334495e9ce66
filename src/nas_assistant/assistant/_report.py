"""Writes the report of a run, at its end or later."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from nas_assistant.assistant._models import load_predictor
from nas_assistant.assistant._record import read_run
from nas_assistant.assistant._run import CONFIG, REPORT, RunDirectory
from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor


def report_run(
    path: str | Path, *, out: str | Path | None = None, checkpoint: str | Path | None = None
) -> Path:
    """Write the report of a run as one HTML file, and give its path.

    Args:
        path: The run directory.
        out: The file; ``report.html`` in the run directory by default.
        checkpoint: The checkpoint that the run worked with; the shipped one by default.

    Raises:
        UserError: The folder holds no run or a damaged one, another process is at work in it, the predictor
            is not the run's, or the file cannot be written.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        raise UserError(f"{path}: not the folder of a run of 'nas-assistant improve'")
    with closing(RunDirectory(path)) as run:
        return _write(run, load_predictor(checkpoint), checkpoint, Path(out) if out is not None else None)


def report_at_the_end(
    run: RunDirectory, predictor: Predictor, checkpoint: str | Path | None, *, given: bool
) -> tuple[str, ...]:
    """Write the report of a run that has just ended.

    Args:
        run: Its directory.
        predictor: The one that it worked with.
        checkpoint: Where that came from.
        given: Whether the caller made the predictor, so that no checkpoint is known.

    Returns:
        What to announce: a report that fails takes nothing away from what the run found.
    """
    try:
        _write(run, predictor, checkpoint, None, given=given)
    except UserError as error:
        return (f"no report was written: {error}",)
    except KeyboardInterrupt:
        return (f"interrupted before the report: nas-assistant report {run.path} writes it",)
    return ()


def _write(
    run: RunDirectory,
    predictor: Predictor,
    checkpoint: str | Path | None,
    out: Path | None,
    *,
    given: bool = False,
) -> Path:
    from nas_assistant.predictors import find_checkpoint
    from nas_assistant.reports.run_report import Background, write_report

    folder = None if given else find_checkpoint(checkpoint)
    families = ", ".join(predictor.metadata.get("data", {}).get("families", ()))
    name = folder.name if folder else "made by the caller"
    return write_report(
        read_run(run),
        predictor,
        out or run.path / REPORT,
        checkpoint=f"{name} (trained on {families})" if families else name,
        background=Background.load(folder) if folder else None,
    )
