"""``nas-assistant report``: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas_assistant.cli._arguments import Checkpoint


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a run of 'improve'.")],
    out: Annotated[
        Path | None, typer.Option(metavar="F.html", help="The file; RUN_DIR/report.html by default.")
    ] = None,
    checkpoint: Checkpoint = None,
) -> None:
    """Write the report of a run of 'improve' as one HTML file.

    It shows the diff, the relevance painted on the source, every candidate, and the way of the search.
    """
    from nas_assistant.assistant import report_run

    typer.echo(report_run(run_dir, out=out, checkpoint=checkpoint))
