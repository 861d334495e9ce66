"""The main job: a model file goes in, a better one comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant._files import replace_json, replace_text
from nas_assistant.assistant._check import Checker
from nas_assistant.assistant._constraints import constraint_failure, make_constraints
from nas_assistant.assistant._costs import Meter
from nas_assistant.assistant._evidence import Jury, Shortlist
from nas_assistant.assistant._generators import make_generators, total_usage
from nas_assistant.assistant._header import strip_header
from nas_assistant.assistant._history import SAME_ACCURACY, Candidate, Result
from nas_assistant.assistant._models import load_predictor
from nas_assistant.assistant._notes import elsewhere_notes, growth_notes, idle_notes, scope_notes
from nas_assistant.assistant._options import DEFAULT_SEARCH, FAMILIARITY_MARGIN, MAX_GROWTH, Options
from nas_assistant.assistant._own_data import with_own_data
from nas_assistant.assistant._pool import SandboxPool, default_workers
from nas_assistant.assistant._report import report_at_the_end
from nas_assistant.assistant._resume import choose_run
from nas_assistant.assistant._rounds import Progress
from nas_assistant.assistant._run import (
    BEST,
    ORIGINAL,
    RESULT,
    SOURCE,
    SOURCE_DIGEST,
    RunDirectory,
    digest,
    dropped_if_empty,
    read_config,
)
from nas_assistant.assistant._sandbox import warm_sandbox
from nas_assistant.assistant._search import Search
from nas_assistant.assistant._simplify import simplify
from nas_assistant.errors import UserError
from nas_assistant.evidence import PREDICTOR
from nas_assistant.generators import BaseGenerator, Limits
from nas_assistant.graphs import GRAPH_SUFFIXES
from nas_assistant.sources import Inspection, Sandbox, inspect_model, read_source

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor


def improve(
    path: str | Path,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    threshold: float | None = None,
    gain: float | None = None,
    max_iterations: int = 10,
    generator: str | BaseGenerator | Sequence[BaseGenerator] = "mutate",
    generator_options: Mapping[str, Any] | None = None,
    max_params: str | int | None = MAX_GROWTH,
    max_flops: str | int | None = MAX_GROWTH,
    max_memory: str | None = None,
    max_latency: str | None = None,
    objectives: Collection[str] | str = (),
    cost_batch: int = 1,
    cost_threads: int = 1,
    cost_runtime: str = "framework",
    allow_ops: Collection[str] | str | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    resume: bool = False,
    explicit: Collection[str] = (),
    predictor: Predictor | None = None,
    checkpoint: str | Path | None = None,
    proposals_per_iteration: int = 8,
    familiarity_margin: float = FAMILIARITY_MARGIN,
    own_accuracy: float | None = None,
    evidence: str = PREDICTOR,
    search: str = DEFAULT_SEARCH,
    workers: int | None = None,
    max_tokens: int | None = None,
    max_usd: float | None = None,
    max_seconds: float | None = None,
    report: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Look for a better version of a model file (Mishra 2023, section 2.2, Algorithm 3).

    Each round goes on from a parent, with its own relevance, and the run ends when the best passes the
    target. Of several generators, the one that a round asks is drawn by how often each has paid. The user's
    file is never written, and its code runs in the sandbox alone. Ctrl-C and a limit that is reached end the
    run with the best so far.

    Args:
        path: A Python file with a PyTorch or Keras model.
        entry: Which model of the file; see :func:`nas_assistant.sources.inspect_model`.
        data: Where samples come from, likewise.
        input_shape: Shape of one sample, channels first, without the batch.
        threshold: Predicted accuracy to pass, in (0, 1].
        gain: Predicted gain to reach instead. Without either it is 0.01.
        max_iterations: Most rounds.
        generator: Name of a generator, several with commas between, or such objects.
        generator_options: What generators given by name are made with; each is given what it takes.
        max_params: Most parameters: ``"+10%"`` of the original's, or a number such as ``"2M"``; None for no
            limit.
        max_flops: Most floating-point operations of one sample, likewise.
        max_memory: Most memory of parameters and activations: ``"+10%"`` of the original's, or a value such
            as ``"4MB"``; see :func:`nas_assistant.costs.memory_bytes`.
        max_latency: Most time of a forward pass on this machine: ``"+10%"``, or a value such as ``"12ms"``.
        objectives: ``"accuracy,latency"``, or other names of :data:`nas_assistant.costs.OBJECTIVES`: the
            result has the front of the networks that no other one beats in all of them, and the run goes on
            to its last round unless a threshold or a gain is set.
        cost_batch: Samples of the forward pass that latency and memory are about.
        cost_threads: Threads of it.
        cost_runtime: ``framework`` or ``onnxruntime``.
        allow_ops: ``"conv,relu"``, or other operations that a candidate may use beside those of the original;
            any by default.
        seed: Of every random choice: equal runs give equal results.
        run_dir: Folder of the run; ``nas-runs/<model>-<time>`` by default.
        resume: Go on with the run in ``run_dir``, or with the newest one of this model, whose options hold
            where none are given here. More rounds may be, but not other limits on what is proposed.
        explicit: Names of options that are given here although they are at their defaults; with ``gain``
            among them, one that no network can reach is refused.
        predictor: The shipped one by default.
        checkpoint: A checkpoint folder to load the predictor from instead.
        proposals_per_iteration: Candidates a round.
        familiarity_margin: A candidate whose familiarity is lower than the original's by more than this
            counts only with the low end of its gain.
        own_accuracy: Measured accuracy of the user's model on its data; narrows what the gain may be there.
        evidence: ``predictor``: the best is what it puts highest. ``both``: of the eight that it puts highest
            and the user's own model, the best is what a stacker of the prediction and of zero-cost proxies on
            ``data`` ranks first. ``proxies``: the same without the prediction.
        search: ``population``: the parent is drawn from an archive of the best by gain and size, no two of
            them alike. ``chain``: it is the best so far.
        workers: Candidates that are built at once; by default as many as there are cores, at most 4. What is
            found does not depend on it.
        max_tokens: Most tokens that the generator's model may read and write, in the run with all its
            resumptions.
        max_usd: Most dollars that they may cost, likewise; needs the prices (``usd_per_million`` of the
            generator).
        max_seconds: Most seconds of this call. A candidate at work when they are over is finished.
        report: Whether to end with ``report.html``; :func:`report_run` writes it later.
        progress: Called after every step.

    Raises:
        UserError: The file, an option, the run directory or the generator is at fault.
    """
    path = Path(path)
    if path.suffix in GRAPH_SUFFIXES:
        raise UserError(f"{path}: only a Python file can be improved: there is no source to change here")
    began = time.monotonic()
    options = Options.of(
        entry=entry,
        data=data,
        input_shape=input_shape,
        threshold=threshold,
        gain=gain,
        max_iterations=max_iterations,
        generator=generator
        if isinstance(generator, str)
        else ",".join(one.name for one in _listed(generator)),
        generator_options=generator_options or {},
        max_params=max_params,
        max_flops=max_flops,
        max_memory=max_memory,
        max_latency=max_latency,
        objectives=objectives,
        cost_batch=cost_batch,
        cost_threads=cost_threads,
        cost_runtime=cost_runtime,
        allow_ops=allow_ops,
        seed=seed,
        proposals_per_iteration=proposals_per_iteration,
        familiarity_margin=familiarity_margin,
        own_accuracy=own_accuracy,
        evidence=evidence,
        search=search,
        workers=workers,
        max_tokens=max_tokens,
        max_usd=max_usd,
        max_seconds=max_seconds,
    )
    text = read_source(path)
    folder, options, notes = choose_run(path, text, options, run_dir, resume, explicit)
    deadline = None if options.max_seconds is None else began + options.max_seconds
    limits = Limits(options.max_tokens, options.max_usd, deadline)
    fresh = dropped_if_empty(folder) if run_dir is None else nullcontext()
    with fresh, warm_sandbox(path, source := strip_header(text), options.entry) as sandbox:
        made = make_generators(options) if isinstance(generator, str) else _listed(generator)
        try:
            for one in made:
                one.check(limits)
            given, predictor = predictor is not None, predictor or load_predictor(checkpoint)
            checker = make_checker(path, source, options, sandbox)
            checker, meter = add_meter(checker, source, predictor, options, sandbox, folder)
            if "gain" in explicit:
                options.check_gain(predictor.predict(checker.original.graph).accuracy)
            with (
                closing(RunDirectory(folder)) as run,
                closing(SandboxPool(sandbox, options.workers or default_workers())) as pool,
            ):
                for one in made:
                    one.begin(folder, limits)
                work = Search(text, source, checker, predictor, made, options, run, progress, deadline, meter)
                result = _run(work, pool, notes)
                if report:
                    more = report_at_the_end(run, predictor, checkpoint, given=given)
                    result = replace(result, notes=(*result.notes, *more))
                return result
        finally:
            if isinstance(generator, str):
                for one in made:
                    one.close()


def _listed(generator: BaseGenerator | Sequence[BaseGenerator]) -> list[BaseGenerator]:
    return [generator] if isinstance(generator, BaseGenerator) else list(generator)


def make_checker(path: Path, source: str, options: Options, sandbox: Sandbox) -> Checker:
    """Build the user's own model, and from it the checks that a candidate is held against.

    Raises:
        UserError: The file or an option is at fault.
    """
    original = inspect_model(
        path,
        entry=options.entry,
        data=options.data,
        input_shape=options.input_shape,
        source=source,
        sandbox=sandbox,
    )
    constraints = make_constraints(
        original.graph,
        options.max_params,
        options.max_flops,
        options.allow_ops,
        options.max_memory,
        options.cost_batch,
    )
    # A shape that was found by trying is fixed from here on.
    shape = None if options.data else original.input_shape or None
    return Checker(path, original, options.data, shape, constraints)


def add_meter(
    checker: Checker, source: str, predictor: Predictor, options: Options, sandbox: Sandbox, folder: Path
) -> tuple[Checker, Meter]:
    """What measures costs, with the start as the run in the folder knows it; the checks with its limit."""
    known = (read_config(folder) or {}).get("start")
    start = Candidate.from_json(known) if known is not None else None
    accuracy = predictor.predict(checker.original.graph).accuracy
    meter = Meter(checker, source, accuracy, options, sandbox, start)
    limits = replace(checker.constraints, max_latency=meter.max_latency)
    return replace(checker, constraints=limits), meter


def _run(search: Search, pool: SandboxPool, notes: tuple[str, ...]) -> Result:
    run, original = search.run_directory, search.checker.original
    jury = None
    if search.options.evidence != PREDICTOR:
        jury = pool.submit(lambda sandbox: Jury(search, sandbox)).result()
        notes = (*notes, *jury.notes)
    config = read_config(run.path)
    if config is None:
        replace_json(run.path / ORIGINAL, original.graph.to_json())
        replace_text(run.path / SOURCE, search.mark + search.text)
        run.write_config(_config(search, original))
        run.log("started", accuracy=search.original.prediction.accuracy, target=search.target)
    else:
        if config.get("graph") != original.graph.hash:
            raise UserError(
                f"{search.checker.path}: gives another network than when the run in {run.path} began: a file "
                "that it imports has changed; start anew without --resume"
            )
        if abs(float(config.get("accuracy", 0)) - search.original.prediction.accuracy) > SAME_ACCURACY:
            raise UserError(
                f"{run.path}: began with another predictor: give the same --checkpoint, or start anew "
                "without --resume"
            )
        search.restore()
        run.write_config({**config, "options": search.options.to_json()})
        run.log("resumed", checked=len(search.ledger.history))
    shortlist = None
    try:
        stopped = search.run(pool)
        if jury is not None:
            shortlist = _choose(search, jury, pool, stopped)
        elif search.can_simplify:
            simplify(search, pool)
            if search.passed:
                stopped = "threshold"
    except KeyboardInterrupt:
        # It may have come between a candidate's event and its place here.
        search.restore()
        stopped = "interrupted"
    except UserError as error:
        if not search.ledger.history:
            raise
        found = f"the best so far is {run.path / BEST}" if search.best.number else "nothing better was found"
        raise UserError(f"{error}; {found}, and --resume goes on") from error
    notes = (*notes, *_notes(search))
    if jury is not None and shortlist is None and search.best.number:
        notes = (*notes, "the predictor alone chose the best: the run ended before the others were scored")
    result = replace(_result(search, stopped, notes), shortlist=shortlist)
    if (data := search.options.data) is not None and stopped != "interrupted":
        work = partial(with_own_data, result, data, search.options.own_accuracy)
        try:
            result = pool.submit(work).result()
        except KeyboardInterrupt:
            more = "interrupted before it was known what the gain is worth on your data"
            result = replace(result, notes=(*result.notes, more))
    replace_json(run.path / RESULT, result.to_json())
    run.log("finished", stopped=stopped, best=search.best.number)
    return result


def _notes(search: Search) -> tuple[str, ...]:
    """What to announce of the user's file and of what became of it."""
    original, ledger = search.checker.original, search.ledger
    broken = constraint_failure(original.graph, original.graph, search.checker.constraints)
    idle = [round_ for round_ in ledger.rounds if round_.count == 0]
    return (
        *original.notes,
        *scope_notes(original.graph),
        *elsewhere_notes(original.graph, search.checker.path),
        *idle_notes(search.options.generator, len(idle), len(ledger.rounds), broken, search.best.number > 0),
    )


def _choose(search: Search, jury: Jury, pool: SandboxPool, stopped: str) -> Shortlist | None:
    """Make the best what all evidence puts first, where there is time for it."""
    shortlist = jury.choose(pool) if stopped != "seconds" else None
    if shortlist is not None:
        search.run_directory.log("chosen", candidate=shortlist.best)
        search.take(shortlist.best, (f"the best candidate is the {shortlist.summary}",))
    return shortlist


def _config(search: Search, original: Inspection) -> dict[str, Any]:
    from nas_assistant import __version__

    return {
        "version": __version__,
        "model": str(search.checker.path.resolve()),
        SOURCE_DIGEST: digest(search.text),
        "graph": original.graph.hash,
        "entry": original.entry,
        "framework": original.framework,
        "input_shape": list(original.input_shape),
        "accuracy": search.original.prediction.accuracy,
        "start": search.meter.start.to_json() if search.meter is not None else None,
        "options": search.options.to_json(),
    }


def _result(search: Search, stopped: str, notes: tuple[str, ...]) -> Result:
    best, original = search.best, search.original
    improved = best.number > 0
    interval = search.predictor.gain_interval(original.prediction, best.prediction)
    parameters = (original.graph.parameters, best.graph.parameters)
    flops = (original.graph.flops, best.graph.flops)
    result = Result(
        best_source=search.text,
        diff="",
        improved=improved,
        explanation=search.explanation(),
        prediction=best.prediction,
        original_prediction=original.prediction,
        gain_interval=interval if improved else (0.0, 0.0),
        parameters=parameters,
        flops=flops,
        history=tuple(search.ledger.history),
        iterations=search.ledger.iterations,
        stopped=stopped,
        target=search.target,
        ends_at_target=search.options.ends_at_target,
        run_dir=search.run_directory.path,
        notes=(*notes, *search.shared(), *growth_notes(parameters, flops, search.options)),
        usage=total_usage(search.generators.values()),
    )
    if search.meter is not None:
        result = replace(result, **search.meter.results(search.ledger.history, best.number))
    if not improved:
        return result
    source, diff = search.best_file()
    return replace(result, best_source=source, diff=diff)
