"""``nas-assistant verify``: train two models for real and compare them."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_assistant.cli._arguments import Checkpoint, Entry, Json, check_folder, refuse_written
from nas_assistant.cli._errors import NOTHING_BETTER
from nas_assistant.cli._output import console, counted, print_json, print_notes, table

if TYPE_CHECKING:
    from nas_assistant.assistant import Result
    from nas_assistant.verify import RunVerification, Step, Verification


_OF_RUNS = ("top", "backend", "method", "checkpoint")


def verify(
    context: typer.Context,
    first: Annotated[
        Path, typer.Argument(metavar="A.py|RUN_DIR", help="The original model, or a run of improve.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Labelled samples: an image folder or a zip of one, file.py:name (batches of samples and "
            "class numbers), cifar10 or digits."
        ),
    ],
    second: Annotated[
        Path | None, typer.Argument(metavar="B.py", help="The model held against A.py.")
    ] = None,
    entry: Entry = None,
    top: Annotated[
        int, typer.Option(help="Of a run: candidates to train, those that the predictor puts highest.")
    ] = 5,
    backend: Annotated[
        str, typer.Option(help="Of a run: optuna, or ray for a cluster; what ends hopeless trainings.")
    ] = "optuna",
    method: Annotated[str, typer.Option(help="Of a run: halving or hyperband.")] = "halving",
    checkpoint: Checkpoint = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 10,
    seeds: Annotated[int, typer.Option(help="Pairs to train.")] = 5,
    minutes: Annotated[float | None, typer.Option(help="End after so many minutes.")] = None,
    train_images: Annotated[int, typer.Option(help="Most images to train on.")] = 10_000,
    val_images: Annotated[int, typer.Option(help="Most images to measure on.")] = 5_000,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of AdamW.")] = 2e-3,
    augment: Annotated[
        str, typer.Option(help="none, crop, flip, crop+flip, or auto: by the kind of image.")
    ] = "auto",
    confidence: Annotated[float, typer.Option(help="Of the interval of the difference.")] = 0.95,
    early_stop: Annotated[
        bool, typer.Option("--early-stop", help="End a training whose curve tells how the pair ends.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Pairs to train at the same time, a core each.")] = 1,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            callback=check_folder, help="Folder of the trainings; by default one for this data and recipe."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            callback=check_folder, help="Folder of the measured labels; nas-runs/verified by default."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train A.py and B.py for real, paired, and say whether B is better.

    Of a run's folder the best candidates are trained, the promising ones more, and the winner is held against
    the original.

    Ends with 0 when B is better, 1 when it is worse or the two are not told apart, 2 on bad input. Ctrl-C and
    --minutes keep what was trained: the same command goes on, and one with more --seeds adds to it.
    """
    from nas_assistant.errors import UserError
    from nas_assistant.verify import DEFAULT_STORE, Recipe, verify_run
    from nas_assistant.verify import verify as run

    recipe = Recipe(
        epochs=epochs,
        train_images=train_images,
        val_images=val_images,
        batch_size=batch_size,
        learning_rate=learning_rate,
        augment=augment,
    )
    shared: dict[str, Any] = {
        "data": data,
        "seeds": seeds,
        "recipe": recipe,
        "minutes": minutes,
        "confidence": confidence,
        "early_stop": early_stop,
        "workers": workers,
        "store": store or DEFAULT_STORE,
    }
    if second is None:
        if not first.is_dir():
            raise UserError(f"{first}: give the model to hold against it too, or the folder of a run")
        if entry is not None or run_dir is not None:
            raise UserError(f"--entry and --run-dir are those of the run in {first}: leave them out")
        with show_training(None) as progress:
            settings: dict[str, Any] = {
                "top": top,
                "backend": backend,
                "method": method,
                "checkpoint": checkpoint,
            }
            contest = verify_run(first, **shared, **settings, progress=progress)
        if as_json:
            print_json(contest.to_json())
        else:
            print_contest(contest)
        raise typer.Exit(0 if contest.holds else NOTHING_BETTER)
    refuse_written(context, _OF_RUNS, "is of a run's folder: leave it out for a pair")
    with show_training(2 * seeds * epochs) as progress:
        found = run(first, second, **shared, entry=entry, run_dir=run_dir, progress=progress)
    print_notes(found.notes)
    if as_json:
        print_json(found.to_json())
    else:
        print_verification(found)
    if found.verdict is None or found.verdict.answer != "better":
        raise typer.Exit(NOTHING_BETTER)


def check_can_verify(data: str | None, top: int) -> None:
    """Whether ``improve --verify`` can do its work, before the search begins.

    Raises:
        UserError: It cannot.
    """
    from nas_assistant.errors import UserError
    from nas_assistant.verify import check_backend

    if data is None:
        raise UserError("--verify trains for real: say on what, with --data")
    if top < 1:
        raise UserError(f"--verify {top}: at least 1 candidate")
    check_backend("optuna")


def verify_found(result: Result, data: str | None, top: int, checkpoint: Path | None, as_json: bool) -> None:
    """Train what a run of ``improve`` found, and end the command by the verdict.

    After Ctrl-C nothing is trained: who wants an end does not want hours more.
    """
    from nas_assistant.verify import verify_run

    assert data is not None
    interrupted = result.stopped == "interrupted"
    if interrupted:
        command = shlex.join(
            ["nas-assistant", "verify", str(result.run_dir), "--data", data, "--top", str(top)]
        )
        print_notes((f"interrupted before the training: {command} begins it",))
    if interrupted or all(one.failure is not None for one in result.history):
        if as_json:
            print_json(result.to_json())
        raise typer.Exit(NOTHING_BETTER)
    with show_training(None) as progress:
        found = verify_run(result.run_dir, data=data, top=top, checkpoint=checkpoint, progress=progress)
    if as_json:
        print_json(result.to_json() | {"verified": found.to_json()})
    else:
        print_contest(found)
    raise typer.Exit(0 if found.holds else NOTHING_BETTER)


@contextlib.contextmanager
def show_training(total: int | None) -> Iterator[Callable[[Step], None]]:
    """A bar on stderr, or a line an epoch where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nas_assistant.verify import sparkline

    def text(step: Step) -> str:
        curve = [epoch.accuracy for epoch in step.epochs]
        last = f" {curve[-1]:.4f}" if curve else ""
        again = " (worker lost, going on from the last epoch)" if step.retried else ""
        return f"{step.subject.name}, seed {step.seed}: {sparkline(curve, 0.0)}{last}{again}"

    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda step: typer.echo(f"{text(step)} ({len(step.epochs)}/{step.total})", err=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task("building the models and reading the data", total=total)
        done: dict[tuple[str, int], int] = {}

        def show(step: Step) -> None:
            done[step.subject.key, step.seed] = len(step.epochs)
            bars.update(task, description=text(step), completed=sum(done.values()))

        yield show


def print_contest(found: RunVerification) -> None:
    """The table of a run's candidates, and the winner held against the original."""
    from nas_assistant.verify import sparkline

    right = ("predicted gain", "epochs", "accuracy", "expected gain")
    shown = table("", *right, "curve", right=right)
    values = [value for one in found.standings for value in one.accuracies] or [0.0]
    for one in found.standings:
        curve, gain = one.accuracies, one.contender.gain
        shown.add_row(
            one.contender.subject.name,
            f"{gain:+.4f}" if one.contender.number else "",
            str(len(curve)),
            f"{curve[-1]:.4f}" if curve else "",
            f"{one.score:+.4f}" if one.score is not None and one.contender.number else "",
            sparkline(curve, min(values), max(values)),
        )
    console().print(shown)
    for one in found.standings:
        if one.failure is not None:
            typer.echo(f"{one.contender.subject.name} could not be trained: {one.failure}")
    if found.verification is not None:
        typer.echo(f"The winner, candidate {found.best}, against the original, with fresh seeds:")
        print_verification(found.verification)
        typer.echo(f"Its file: {found.best_path}")
    elif found.stopped != "done":
        typer.echo(f"Not all was trained ({found.stopped}); the same command goes on")
    else:
        typer.echo("Verdict: no candidate came out ahead of the original")


def print_verification(found: Verification) -> None:
    """The table of two models, and the verdict in words."""
    data = found.to_json()
    console().print(_models(data))
    facts, verdict = found.data, found.verdict
    typer.echo(
        f"{facts['name']}: {facts['train']:,} images to train on, {facts['val']:,} to measure on, "
        f"{facts['classes']} classes; {counted(found.recipe.epochs, 'epoch')}, "
        f"{counted(len(found.seeds), 'seed')}"
    )
    if found.ended_early:
        listed = ", ".join(f"seed {seed} at {epoch}" for seed, epoch in found.ended_early.items())
        typer.echo(f"Compared before the last epoch, as the curves told the end: {listed}")
    if found.stopped != "done":
        reason = "the minutes are over" if found.stopped == "minutes" else "interrupted"
        typer.echo(f"Not all was trained ({reason}); the same command goes on")
    if verdict is None:
        typer.echo("Verdict: none, fewer than two pairs were trained")
        return
    name, other = found.second.subject.name, found.first.subject.name
    verb = {"better": "is better than", "worse": "is worse than"}
    words = (
        f"{name} {verb[verdict.answer]} {other}" if verdict.answer in verb else "the two are not told apart"
    )
    interval = f"{100 * verdict.confidence:.4g}% interval"
    typer.echo(
        f"Difference {verdict.difference:+.4f}, {interval} {verdict.low:+.4f} to "
        f"{verdict.high:+.4f}; ahead with {counted(verdict.wins, 'seed')}, behind with {verdict.losses} "
        f"(sign test p = {verdict.sign_p:.3f})\nVerdict: {words}"
    )
    if found.labels is not None:
        typer.echo(f"Labels: {found.labels}")


def _models(data: dict[str, Any]) -> Any:
    from nas_assistant.verify import sparkline

    right = ("parameters", "accuracy", "deviation", "s/epoch")
    columns = ("", *right, "mean curve", "at twice the epochs (extrapolated)")
    shown = table(*columns, right=right)
    values = [value for model in data["models"] for value in model["curve"]]
    for model in data["models"]:
        curve, heading = model["curve"], model["at_twice_the_epochs"]
        shown.add_row(
            model["model"],
            f"{model['params']:,}",
            f"{model['accuracy']:.4f}" if curve else "",
            f"{model['deviation']:.4f}" if model["deviation"] is not None else "",
            f"{model['seconds_per_epoch']:.1f}" if curve else "",
            sparkline(curve, min(values), max(values)) if curve else "",
            f"{heading['accuracy']:.3f} ({heading['low']:.3f} to {heading['high']:.3f})" if heading else "",
        )
    return shown
