"""``nas-assistant improve``: look for a better version of a model file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_assistant.cli._arguments import (
    Checkpoint,
    CostRuntime,
    Data,
    Entry,
    InputShape,
    Json,
    Model,
    parse_shape,
    written,
)
from nas_assistant.cli._errors import NOTHING_BETTER
from nas_assistant.cli._front import print_front
from nas_assistant.cli._output import console, counted, print_json, print_notes, table
from nas_assistant.cli._verify import check_can_verify, verify_found

if TYPE_CHECKING:
    from nas_assistant.assistant import Progress, Result, RunPreview, Shortlist


def improve(
    context: typer.Context,
    model: Model,
    entry: Entry = None,
    data: Data = None,
    input_shape: InputShape = None,
    threshold: Annotated[float | None, typer.Option(help="Predicted accuracy to pass, in (0, 1].")] = None,
    gain: Annotated[
        float | None, typer.Option(help="Predicted gain to reach instead; 0.01 when neither is given.")
    ] = None,
    max_iterations: Annotated[int, typer.Option(help="Most rounds.")] = 10,
    generator: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="What proposes changes: mutate, openai, llama_cpp, infill, or a plug-in; of several, what "
            "has paid is asked more often.",
        ),
    ] = "mutate",
    model_name: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Language model, for one generator."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="U", help="OpenAI-compatible endpoint, for one generator.")
    ] = None,
    edit_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="F",
            help="What the model is asked for: operations, search_replace or whole_file.",
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FILE", help="Prompt: thesis, thesis_strict, … or a file of your own."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the language model's sampling.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one answer may take.")] = None,
    context_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a prompt; a longer one is refused.")
    ] = None,
    answer_tokens: Annotated[int | None, typer.Option(help="Most tokens of an answer.")] = None,
    usd_per_million: Annotated[
        str | None,
        typer.Option(metavar="IN,OUT", help="Dollars for a million tokens read and written."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither keep nor take answers in the user's cache folder.")
    ] = False,
    max_tokens: Annotated[int | None, typer.Option(help="End when so many tokens are used.")] = None,
    max_usd: Annotated[float | None, typer.Option(help="End when so many dollars are spent.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    max_params: Annotated[
        str, typer.Option(help="Most parameters: +10% of the original's, a number such as 2M, or none.")
    ] = "+100%",
    max_flops: Annotated[str, typer.Option(help="Most FLOPs of one sample, likewise.")] = "+100%",
    max_memory: Annotated[
        str | None, typer.Option(help="Most memory of parameters and activations: +10%, or 4MB.")
    ] = None,
    max_latency: Annotated[
        str | None, typer.Option(help="Most time of a forward pass on this machine: +10%, or 12ms.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="accuracy,latency,…",
            help="Show the front: accuracy against latency, params, flops or memory.",
        ),
    ] = None,
    cost_batch: Annotated[int, typer.Option(min=1, max=4096, help="Samples of that forward pass.")] = 1,
    cost_threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of that forward pass.")] = 1,
    cost_runtime: CostRuntime = "framework",
    allow_ops: Annotated[
        str | None,
        typer.Option(metavar="conv,relu,…", help="Operations allowed beside those of the original."),
    ] = None,
    own_accuracy: Annotated[
        float | None,
        typer.Option(metavar="A", help="Measured accuracy of MODEL.py on --data: narrows the gain there."),
    ] = None,
    evidence: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What picks among the best candidates: predictor, or zero-cost proxies on --data, or both.",
        ),
    ] = "predictor",
    search: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Where rounds go on from: population (an archive) or chain (the best)."
        ),
    ] = "chain",
    familiarity_margin: Annotated[
        float,
        typer.Option(help="Loss of familiarity beyond which only the low end of a gain counts."),
    ] = 0.2,
    workers: Annotated[
        int | None,
        typer.Option(help="Candidates that are built at once; one for each core, at most 4, by default."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of the run; nas-runs/<model>-<time> by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --run-dir, or the model's newest one.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the first prompt and about what it costs; ask nothing."),
    ] = False,
    verify_top: Annotated[
        int | None,
        typer.Option(
            "--verify",
            metavar="N",
            help="Then train the N best candidates on --data for real, as 'verify RUN_DIR' does.",
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> None:
    """Look for a better version of MODEL.py and print it as a diff.

    Ends with 0 when something better was found, 1 when not, 2 on bad input. Ctrl-C and a limit that is
    reached end the run with the best so far.
    """
    from nas_assistant.assistant import improve as run_improve
    from nas_assistant.assistant import preview
    from nas_assistant.costs import parse_objectives

    for_generator = {
        "model": model_name,
        "base_url": base_url,
        "format": edit_format,
        "prompt": prompt,
        "temperature": temperature,
        "timeout": timeout,
        "context_tokens": context_tokens,
        "answer_tokens": answer_tokens,
        "usd_per_million": usd_per_million,
        "cache": False if no_cache else None,
    }
    options: dict[str, Any] = {
        "entry": entry,
        "data": data,
        "input_shape": parse_shape(input_shape),
        "threshold": threshold,
        "gain": gain,
        "max_iterations": max_iterations,
        "generator": generator,
        "generator_options": {name: value for name, value in for_generator.items() if value is not None},
        "max_params": max_params,
        "max_flops": max_flops,
        "max_memory": max_memory,
        "max_latency": max_latency,
        "objectives": () if objective is None else parse_objectives(objective),
        "cost_batch": cost_batch,
        "cost_threads": cost_threads,
        "cost_runtime": cost_runtime,
        "allow_ops": allow_ops.split(",") if allow_ops is not None else None,
        "own_accuracy": own_accuracy,
        "evidence": evidence,
        "search": search,
        "familiarity_margin": familiarity_margin,
        "workers": workers,
        "seed": seed,
        "max_tokens": max_tokens,
        "max_usd": max_usd,
        "max_seconds": max_seconds,
        "checkpoint": checkpoint,
    }
    if verify_top is not None:
        check_can_verify(data, verify_top)
    if dry_run:
        _print_preview(preview(model, **options), as_json)
        return
    with _progress() as progress:
        result = run_improve(
            model, run_dir=run_dir, resume=resume, explicit=written(context), progress=progress, **options
        )
    print_notes(result.notes)
    if not as_json:
        _print_result(result)
    elif verify_top is None:
        print_json(result.to_json())
    if verify_top is not None:
        verify_found(result, data, verify_top, checkpoint, as_json)
    if not result.improved:
        raise typer.Exit(NOTHING_BETTER)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _print_round
        return
    with Bars(*columns, console=screen, transient=True) as bars:
        task = bars.add_task("building the model and loading the predictor", total=None)

        def show(state: Progress) -> None:
            if state.weighed is not None:
                scored, listed = state.weighed
                bars.update(task, description="scoring the best on your data", completed=scored, total=listed)
                return
            done = state.iteration - 1 + (state.checked / state.proposed if state.proposed else 0.0)
            text = (
                f"round {state.iteration}, candidate {state.checked}/{state.proposed or '?'}: "
                f"{state.original:.4f} -> {state.best:.4f}{_target(state.target)}"
            )
            bars.update(task, description=text, completed=round(done, 2), total=state.max_iterations)

        yield show


def _print_round(state: Progress) -> None:
    if state.weighed is not None:
        typer.echo("Scored on your data: {} of {}".format(*state.weighed), err=True)
    elif state.candidate is None:
        told = f"Round {state.iteration}: best so far {state.best:.4f}{_target(state.target)}"
        typer.echo(told, err=True)


def _target(target: float | None) -> str:
    return "" if target is None else f" (target {target:.4f})"


def _print_result(result: Result) -> None:
    from nas_assistant.costs import bytes_text, seconds_text
    from nas_assistant.reports.run_report import visible

    reasons = {
        "threshold": "the target was passed",
        "iterations": "no round was left",
        "interrupted": "interrupted",
        "tokens": "the limit of --max-tokens was reached",
        "usd": "the limit of --max-usd was reached",
        "seconds": "the limit of --max-seconds was reached",
    }
    failed = sum(entry.failure is not None for entry in result.history)
    target = _target(result.target if result.ends_at_target else None)
    typer.echo(
        f"{counted(len(result.history), 'candidate')} in {counted(result.iterations, 'round')}, "
        f"{failed} turned down; {reasons[result.stopped]}{target}"
    )
    used = result.usage
    if used is not None:
        cost = "cost unknown: no --usd-per-million" if used.usd is None else f"${used.usd:.4f}"
        typer.echo(
            f"{counted(used.asked, 'question')} asked ({used.spared} from the cache), "
            f"{used.prompt_tokens:,} tokens read, {used.answer_tokens:,} written, {cost}"
        )
    if result.front is not None:
        print_front(result.front, result.run_dir)
    if result.shortlist is not None:
        _print_shortlist(result.shortlist)
    if not result.improved:
        accuracy = result.original_prediction.accuracy
        passed = result.ends_at_target and accuracy >= result.target
        told = "Your model passes the target itself" if passed else "Nothing better found"
        typer.echo(f"{told}: predicted accuracy {accuracy:.4f}. Run: {result.run_dir}")
        return
    shown = table("", "before", "after", right=("before", "after"))
    before, after = result.original_prediction, result.prediction
    shown.add_row("predicted accuracy", f"{before.accuracy:.4f}", f"{after.accuracy:.4f}")
    shown.add_row("familiarity", f"{before.familiarity:.2f}", f"{after.familiarity:.2f}")
    shown.add_row("parameters", f"{result.parameters[0]:,}", f"{result.parameters[1]:,}")
    shown.add_row("FLOPs", f"{result.flops[0]:,}", f"{result.flops[1]:,}")
    if result.memory is not None:
        shown.add_row("memory", *map(bytes_text, result.memory))
    if result.latency is not None:
        shown.add_row("latency", *map(seconds_text, result.latency))
    console().print(shown)
    low, high = result.gain_interval
    typer.echo(f"Gain {result.gain:+.4f}, nine in ten lie in {low:+.4f} to {high:+.4f}")
    own = result.own_data
    if own is not None and own.gain_interval is not None and own.similarity.score < 1:
        low, high = own.gain_interval
        typer.echo(f"On your data {own.gain:+.4f}, nine in ten lie in {low:+.4f} to {high:+.4f}")
        typer.echo(f"Similarity of the data {own}")
    typer.echo()
    typer.echo(visible(result.diff.replace("\r\n", "\n")))
    typer.echo(f"Better file: {result.run_dir / 'best.py'}")
    if (report := result.run_dir / "report.html").is_file():
        typer.echo(f"Report: {report}")


def _print_shortlist(found: Shortlist) -> None:
    """What each kind of evidence says, as ranks: its values have no common unit."""
    names = [name for name in found.weights if name != "predictor"]
    heads = ("predicted", *names, "together")
    shown = table("", *heads, title="Evidence: ranks, 1 is best", right=heads)
    for place, one in enumerate(found.networks, start=1):
        ranks = [1 + sum(other.values[n] > one.values[n] for other in found.networks) for n in names]
        first = 1 + sum(other.accuracy > one.accuracy for other in found.networks)
        name = f"candidate {one.number}" if one.number else "your model"
        shown.add_row(name, f"{one.accuracy:.4f} ({first})", *map(str, ranks), str(place))
    console().print(shown)


def _print_preview(found: RunPreview, as_json: bool) -> None:
    data = found.to_json()
    if as_json:
        print_json(data)
        return
    for message in found.question.messages:
        typer.echo(f"[{message['role']}]\n{message['content'].rstrip()}\n")
    read, written = data["prompt_tokens"], data["answer_tokens"]
    questions = counted(data["questions"], "such question")
    if written is None:
        typer.echo(
            f"Nothing was asked. About {read:,} tokens to read; how many are written, and so the "
            "cost, the endpoint decides without --answer-tokens, --max-tokens or --max-usd\n"
            f"The run: at most {questions} with every repair"
        )
        return
    price, total = (
        "cost unknown: no --usd-per-million" if usd is None else f"cost about ${usd:.4f}"
        for usd in (data["usd"], data["run_usd"])
    )
    typer.echo(
        f"Nothing was asked. About {read:,} tokens to read, at most {written:,} to write, {price}\n"
        f"The run: at most {questions} with every repair, about {data['run_tokens']:,} tokens, {total}; "
        "later prompts are longer by what was tried"
    )
