"""Trains two models for real, paired, and says whether the second is better."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant._files import RUNS, replace_json
from nas_assistant.errors import UserError
from nas_assistant.sources import Limits
from nas_assistant.verify._bench import Bench, OutOfTime, Step, default_folder, ended_with
from nas_assistant.verify._curves import LEAST_EPOCHS, Extrapolation, extrapolate
from nas_assistant.verify._recipe import Recipe
from nas_assistant.verify._store import DEFAULT_STORE, LabelStore
from nas_assistant.verify._subject import Subject, read_subject
from nas_assistant.verify._unit import Epoch
from nas_assistant.verify._verdict import LEAST_SEEDS, Verdict, judge

_HOPELESS = 0.05


@dataclass(frozen=True, slots=True)
class Trained:
    """One model and its trainings.

    Attributes:
        subject: The model.
        runs: The epochs of each seed that was begun.
    """

    subject: Subject
    runs: dict[int, list[Epoch]]

    def curve(self, ends: Mapping[int, int]) -> list[float]:
        """Mean accuracy over seeds after each epoch, up to the first at which a seed is compared."""
        runs = [[epoch.accuracy for epoch in self.runs[seed][:end]] for seed, end in ends.items()]
        return [float(np.mean(group)) for group in zip(*runs, strict=False)]

    def to_json(self, ends: Mapping[int, int], epochs: int) -> dict[str, Any]:
        """As plain JSON data.

        Args:
            ends: After how many epochs each seed is compared, by which the means are.
            epochs: Of the recipe.
        """
        curve, graph = self.curve(ends), self.subject.graph
        compared = [self.runs[seed][end - 1].accuracy for seed, end in ends.items()]
        seconds = [epoch.seconds for run in self.runs.values() for epoch in run]
        heading = extrapolate(curve, 2 * epochs)
        return {
            "model": self.subject.name,
            "params": graph.parameters,
            "flops": graph.flops,
            "accuracy": float(np.mean(compared)) if compared else None,
            "deviation": float(np.std(compared, ddof=1)) if len(compared) > 1 else None,
            "seconds_per_epoch": float(np.mean(seconds)) if seconds else None,
            "curve": curve,
            "at_twice_the_epochs": _to_json(heading),
            "runs": {str(seed): [epoch.accuracy for epoch in run] for seed, run in self.runs.items()},
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """Two models that were trained for real.

    Attributes:
        first: The original.
        second: What is held against it.
        seeds: The seeds whose pair was trained, by which the verdict is.
        ended_early: At which epoch the pair of a seed was compared, where that is before the last.
        verdict: The verdict, or None for fewer than two pairs.
        stopped: ``done``, ``minutes`` or ``interrupted``.
        data: What was trained on, as the user named it, and what it held.
        recipe: How.
        run_dir: Where everything is kept.
        labels: The table of the store that has the results, or None.
        notes: What to announce.
    """

    first: Trained
    second: Trained
    seeds: tuple[int, ...]
    ended_early: dict[int, int]
    verdict: Verdict | None
    stopped: str
    data: dict[str, Any]
    recipe: Recipe
    run_dir: Path
    labels: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def ends(self) -> dict[int, int]:
        """After how many epochs the pair of each seed is compared."""
        return {seed: self.ended_early.get(seed, self.recipe.epochs) for seed in self.seeds}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        ends, epochs = self.ends, self.recipe.epochs
        return {
            "verdict": self.verdict.to_json() if self.verdict is not None else None,
            "models": [one.to_json(ends, epochs) for one in (self.first, self.second)],
            "seeds": list(self.seeds),
            "ended_early": {str(seed): epoch for seed, epoch in self.ended_early.items()},
            "stopped": self.stopped,
            "data": self.data,
            "recipe": self.recipe.to_json(),
            "run_dir": str(self.run_dir),
            "labels": str(self.labels) if self.labels is not None else None,
            "notes": list(self.notes),
        }


def verify(
    first: str | Path,
    second: str | Path,
    *,
    data: str,
    entry: str | None = None,
    seeds: int = 5,
    recipe: Recipe | None = None,
    minutes: float | None = None,
    confidence: float = 0.95,
    early_stop: bool = False,
    workers: int = 1,
    run_dir: str | Path | None = None,
    store: str | Path | None = DEFAULT_STORE,
    limits: Limits | None = None,
    progress: Callable[[Step], None] | None = None,
) -> Verification:
    """Train two models with the same seeds, images, order, augmentation and budget, and compare them.

    The files are a stranger's: their code runs in the sandbox alone. Every epoch is kept, and the same call
    goes on after a pause.

    Args:
        first: The original, a Python file with a PyTorch or Keras model.
        second: What is held against it.
        data: Where samples come from; see :func:`nas_assistant.sources.inspect_model`.
        entry: Which model of both files, likewise.
        seeds: Pairs to train, at least 2.
        recipe: How both are trained.
        minutes: Most minutes of this call.
        confidence: Of the interval of the difference.
        early_stop: End the second model's training where its extrapolated curve is, at 95 to 5, above or
            below that of the first after as many epochs; the pair is compared at that epoch.
        workers: Pairs to train at the same time, each in a process of one thread.
        run_dir: Folder that keeps the trainings; by default one for this data and recipe.
        store: Folder of the labels that the results go to, or None.
        limits: What one job may use; the seconds are those of an epoch.
        progress: Called after every epoch, from the worker's thread.

    Raises:
        UserError: A file, an option or the data is at fault.
    """
    recipe = recipe or Recipe()
    check_options(seeds, workers, minutes, confidence)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    folder = Path(run_dir) if run_dir is not None else default_folder(RUNS, data, recipe)
    with Bench(folder, data, recipe, limits=limits, deadline=deadline, progress=progress) as bench:
        pair = read_pair(first, second, data, entry, bench)
        facts = bench.prepare(pair[0].framework)
        runner = PairRunner(bench, pair, early_stop=early_stop)
        stopped = runner.run(range(seeds), workers)
        return conclude(runner, stopped, facts, confidence, store)


def read_pair(
    first: str | Path, second: str | Path, data: str, entry: str | None, bench: Bench
) -> tuple[Subject, Subject]:
    """Build both models, before anything is trained.

    Raises:
        UserError: A file or the data is at fault.
    """
    one, two = Path(first), Path(second)
    sandbox = bench.sandbox("torch")
    subjects = [
        read_subject(path, entry=entry, data=data, sandbox=sandbox, name=_name(path, other))
        for path, other in ((one, two), (two, one))
    ]
    return subjects[0], subjects[1]


def conclude(
    runner: PairRunner, stopped: str, facts: dict[str, Any], confidence: float, store: str | Path | None
) -> Verification:
    """The verdict on what was trained, written to the run's folder and to the store."""
    bench, (first, second) = runner.bench, runner.pair
    trained = [
        Trained(one, {seed: bench.unit(one, seed).epochs() for seed in runner.begun}) for one in runner.pair
    ]
    ends = {seed: at for seed in sorted(runner.begun) if (at := runner.at(seed)) is not None}
    seeds = tuple(ends)
    correct = [
        [_bits(one.runs[seed][ends[seed] - 1].correct, facts["val"]) for seed in seeds] for one in trained
    ]
    verdict = judge(correct[0], correct[1], confidence)
    notes = [note for one in runner.pair for note in one.notes]
    if first.graph.hash == second.graph.hash:
        notes.append("both files give the same network")
    if untrained := facts.get("untrained"):
        listed = ", ".join(map(str, untrained))
        notes.append(
            f"{bench.data}: of class {listed}, numbered from 0, samples are held out and none trained on"
        )
    for one in trained:
        lost = [seed for seed, run in one.runs.items() if any(epoch.loss is None for epoch in run)]
        if lost:
            listed = ", ".join(map(str, lost))
            name = one.subject.name
            notes.append(f"{name}: with seed {listed} the loss was no number: try a lower --learning-rate")
    labels = None
    if store is not None:
        labels = LabelStore(Path(store)).add_all(bench, facts, runner.pair, seeds)
    found = Verification(
        trained[0],
        trained[1],
        seeds,
        {seed: at for seed, at in ends.items() if at < bench.recipe.epochs},
        verdict,
        stopped,
        {"name": bench.data, **facts},
        bench.recipe,
        bench.folder,
        labels,
        tuple(dict.fromkeys(notes)),
    )
    replace_json(bench.folder / "results" / f"{first.key}-{second.key}.json", found.to_json())
    if stopped == "done":
        bench.forget_samples()
    return found


class PairRunner:
    """Trains pairs, a seed after the other or several at a time.

    Args:
        bench: Where; a worker beyond the first has a bench of its own in the same folder.
        pair: The two models.
        early_stop: See :func:`verify`.
    """

    def __init__(self, bench: Bench, pair: tuple[Subject, Subject], *, early_stop: bool = False) -> None:
        self.bench, self.pair, self.begun = bench, pair, set[int]()
        self._early_stop = early_stop

    def run(self, seeds: Sequence[int], workers: int = 1) -> str:
        """Train the pairs of some seeds; gives ``done``, ``minutes`` or ``interrupted``."""
        self.begun.update(seeds)
        local = threading.local()
        benches: list[Bench] = []

        def work(seed: int) -> None:
            if not hasattr(local, "bench"):
                local.bench = self.bench if workers == 1 else self.bench.again()
                benches.append(local.bench)
            self._train(local.bench, seed)

        try:
            if workers == 1:
                for seed in seeds:
                    work(seed)
                return "done"
            with ThreadPoolExecutor(workers) as pool:
                futures = [pool.submit(work, seed) for seed in seeds]
                with ended_with(futures, benches):
                    wait(futures, return_when=FIRST_EXCEPTION)
                    for future in futures:
                        if future.done():
                            future.result()
            return "done"
        except OutOfTime:
            return "minutes"
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            for bench in benches:
                if bench is not self.bench:
                    bench.close()

    def at(self, seed: int) -> int | None:
        """After how many epochs the pair of a seed is compared; None while it is not trained that far."""
        total = self.bench.recipe.epochs
        first, second = (self.bench.unit(one, seed).epochs() for one in self.pair)
        if len(first) < total:
            return None
        if len(second) >= total:
            return total
        if not self._early_stop:
            return None
        counts = range(1, len(second) + 1)  # an earlier call may have trained it further than this one would
        return next((count for count in counts if _foreseeable(first, second[:count], total)), None)

    def _train(self, bench: Bench, seed: int) -> None:
        first = bench.train(self.pair[0], seed)
        if not self._early_stop:
            bench.train(self.pair[1], seed)
            return
        for epoch in range(1, bench.recipe.epochs + 1):
            second = bench.train(self.pair[1], seed, epoch)
            if _foreseeable(first, second, bench.recipe.epochs):
                return


def _foreseeable(first: Sequence[Epoch], second: Sequence[Epoch], total: int) -> bool:
    """Whether the curves after as many epochs tell which model ends above, at 95 to 5."""
    count = len(second)
    if count < max(LEAST_EPOCHS, total // 3) or count >= total:
        return False
    ends = [extrapolate([epoch.accuracy for epoch in run[:count]], total) for run in (first, second)]
    if ends[0] is None or ends[1] is None:
        return False
    above = ends[1].above(ends[0])
    return above < _HOPELESS or above > 1 - _HOPELESS


def _bits(text: str, count: int) -> np.ndarray[Any, Any]:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=count)


def _to_json(found: Extrapolation | None) -> dict[str, float] | None:
    if found is None:
        return None
    low, high = found.interval
    return {"accuracy": found.mean, "low": low, "high": high}


def _name(path: Path, other: Path) -> str:
    return str(path) if path.name == other.name else path.name


def check_options(seeds: int, workers: int, minutes: float | None, confidence: float) -> None:
    """Check the options that every verification takes.

    Raises:
        UserError: One is out of its range.
    """
    if seeds < LEAST_SEEDS:
        raise UserError(f"--seeds {seeds}: at least {LEAST_SEEDS}, or a difference has no interval")
    if workers < 1:
        raise UserError(f"--workers {workers}: at least 1")
    if minutes is not None and not minutes > 0:
        raise UserError(f"--minutes {minutes:g}: more than 0")
    if not 0.5 <= confidence < 1:
        raise UserError(f"--confidence {confidence:g}: at least 0.5 and less than 1")
