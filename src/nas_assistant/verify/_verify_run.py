"""Trains the best candidates of a run for real, and says whether the gain that was predicted is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant._files import replace_json, replace_text
from nas_assistant.assistant import read_config
from nas_assistant.errors import UserError
from nas_assistant.sources import Limits
from nas_assistant.verify._backends import check_backend, run_contest
from nas_assistant.verify._bench import Bench, OutOfTime, Step, default_folder
from nas_assistant.verify._contest import Contest, Standing, read_contenders
from nas_assistant.verify._recipe import Recipe
from nas_assistant.verify._store import DEFAULT_STORE, LabelStore
from nas_assistant.verify._verify import PairRunner, Verification, check_options, conclude

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor

FOLDER = "verify"


@dataclass(frozen=True, slots=True)
class RunVerification:
    """The candidates of a run, trained for real.

    Attributes:
        standings: What the contest trained, the longest and best first.
        best: Number of its winner; 0 when the user's own model came out ahead.
        predicted_gain: Of the winner, over the user's own model.
        verification: The winner against the user's own model, with fresh seeds; None when that won, or the
            time was over before.
        stopped: ``done``, ``minutes`` or ``interrupted``.
        run_dir: Where everything is kept.
        best_path: The winner's file, or None.
    """

    standings: tuple[Standing, ...]
    best: int
    predicted_gain: float
    verification: Verification | None
    stopped: str
    run_dir: Path
    best_path: Path | None

    @property
    def holds(self) -> bool:
        """Whether the winner was told apart from the user's own model, for the better."""
        verdict = self.verification.verdict if self.verification is not None else None
        return verdict is not None and verdict.answer == "better"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "best": self.best,
            "holds": self.holds,
            "predicted_gain": self.predicted_gain,
            "standings": [standing.to_json() for standing in self.standings],
            "verification": self.verification.to_json() if self.verification is not None else None,
            "stopped": self.stopped,
            "run_dir": str(self.run_dir),
            "best_path": str(self.best_path) if self.best_path is not None else None,
        }


def verify_run(
    run_dir: str | Path,
    *,
    data: str,
    top: int = 5,
    seeds: int = 5,
    recipe: Recipe | None = None,
    minutes: float | None = None,
    confidence: float = 0.95,
    early_stop: bool = False,
    backend: str = "optuna",
    method: str = "halving",
    workers: int = 1,
    store: str | Path | None = DEFAULT_STORE,
    predictor: Predictor | None = None,
    checkpoint: str | Path | None = None,
    limits: Limits | None = None,
    progress: Callable[[Step], None] | None = None,
) -> RunVerification:
    """Give the best candidates of a run to successive halving, and verify the winner.

    The predictor is the prior: its order is the order of training, and its gain counts as much as its
    interval allows beside what little has been trained. The winner is then held against the user's own model
    by :func:`verify`'s paired trainings, with seeds that the contest has not seen.

    Args:
        run_dir: The folder of a run of ``improve``; everything is kept in its ``verify``, the trainings in a
            folder for each data and recipe.
        data: Where samples come from.
        top: Candidates to train, beside the user's own model.
        seeds: Pairs to train in the end; see :func:`verify`, like the arguments that follow.
        recipe: Likewise.
        minutes: Likewise.
        confidence: Likewise.
        early_stop: Likewise.
        backend: ``optuna`` or ``ray``.
        method: ``halving`` or ``hyperband``.
        workers: Trainings at the same time.
        store: Folder of the labels that the results go to, or None.
        predictor: The run's; loaded from the checkpoint by default.
        checkpoint: The shipped one by default.
        limits: What one job may use.
        progress: Called after every epoch; not from the workers of Ray.

    Raises:
        UserError: The folder, an option or the data is at fault.
    """
    check_options(seeds, workers, minutes, confidence)
    check_backend(backend)
    run_dir, recipe = Path(run_dir), recipe or Recipe()
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    contenders = read_contenders(run_dir, top, predictor=predictor, checkpoint=checkpoint)
    if len(contenders) < 2:
        raise UserError(f"{run_dir}: no candidate that passed its checks: nothing to train")
    contest = Contest(_folder(run_dir / FOLDER, data, recipe), data, recipe, contenders)
    with Bench(contest.folder, data, recipe, limits=limits, deadline=deadline, progress=progress) as bench:
        facts = bench.prepare(contenders[0].subject.framework)
        stopped, verification = "done", None
        try:
            run_contest(contest, bench, backend=backend, method=method, workers=workers)
        except OutOfTime:
            stopped = "minutes"
        except KeyboardInterrupt:
            stopped = "interrupted"
        standings = contest.standings(bench)
        best = _winner(standings, recipe.epochs)
        _keep_labels(store, contest, bench, facts)
        if best.contender.number and stopped == "done":
            runner = PairRunner(bench, (contenders[0].subject, best.contender.subject), early_stop=early_stop)
            stopped = runner.run(range(contest.seed + 1, contest.seed + 1 + seeds), workers)
            verification = conclude(runner, stopped, facts, confidence, store)
        if stopped == "done":
            bench.forget_samples()
        return _conclude(run_dir, standings, best, verification, stopped)


def _folder(root: Path, data: str, recipe: Recipe) -> Path:
    """The folder of some data and recipe; what was begun when there was one for all goes on in that."""
    config = read_config(root) or {}
    same = (config.get("data"), config.get("recipe")) == (data, recipe.to_json())
    return root if same else default_folder(root, data, recipe)


def _winner(standings: tuple[Standing, ...], epochs: int) -> Standing:
    """The best of those that were trained to the end; the user's own model where none was."""
    full = [one for one in standings if len(one.accuracies) >= epochs and one.score is not None]
    return full[0] if full else next(one for one in standings if one.contender.number == 0)


def _keep_labels(store: str | Path | None, contest: Contest, bench: Bench, facts: dict[str, Any]) -> None:
    if store is not None:
        subjects = [contender.subject for contender in contest.contenders]
        for rung in contest.rungs:
            LabelStore(Path(store)).add_all(bench, facts, subjects, [contest.seed], rung)


def _conclude(
    run_dir: Path,
    standings: tuple[Standing, ...],
    best: Standing,
    verification: Verification | None,
    stopped: str,
) -> RunVerification:
    contender, path = best.contender, None
    if contender.number:
        path = run_dir / FOLDER / "best.py"
        replace_text(path, contender.subject.source)
    found = RunVerification(
        standings, contender.number, contender.gain, verification, stopped, run_dir / FOLDER, path
    )
    replace_json(run_dir / FOLDER / "result.json", found.to_json())
    return found
