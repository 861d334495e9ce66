"""The command line: one file a command, no logic of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from nas_assistant.cli._benchmark import benchmark
from nas_assistant.cli._compare import compare
from nas_assistant.cli._cost import cost
from nas_assistant.cli._data import data
from nas_assistant.cli._doctor import doctor
from nas_assistant.cli._errors import ErrorGroup
from nas_assistant.cli._evaluate import evaluate
from nas_assistant.cli._graph import graph
from nas_assistant.cli._improve import improve
from nas_assistant.cli._plot import plot
from nas_assistant.cli._predict import predict
from nas_assistant.cli._proxies import proxies
from nas_assistant.cli._relevance import relevance
from nas_assistant.cli._report import report
from nas_assistant.cli._train import train
from nas_assistant.cli._verify import verify

app = typer.Typer(
    name="nas-assistant",
    cls=ErrorGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from nas_assistant import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Reads your model.py, predicts its accuracy without training, and hands back a better one as a diff."""


for _command in (
    improve,
    predict,
    proxies,
    relevance,
    cost,
    graph,
    compare,
    verify,
    report,
    train,
    evaluate,
    plot,
    data,
    doctor,
):
    app.command()(_command)
app.add_typer(benchmark, name="benchmark")


def main() -> None:
    """Run the command line."""
    app()
