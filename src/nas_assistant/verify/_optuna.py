"""Successive halving and Hyperband by Optuna's pruners, on this machine."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner

from nas_assistant.verify._backends import brackets
from nas_assistant.verify._bench import Bench, ended_with
from nas_assistant.verify._contest import Contest

_NAME = "nas-assistant"  # Hyperband's brackets depend on it


def run(contest: Contest, bench: Bench, method: str, workers: int) -> None:
    """Train the contenders in the order of the predicted gain, each until the pruner ends it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # of a failed trial it shows a traceback
    numbers = [contender.number for contender in contest.contenders]
    study = optuna.create_study(
        study_name=_NAME,
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=contest.seed),
        pruner=_pruner(contest, method),
    )
    for number in numbers:
        study.enqueue_trial({"contender": number})
    local, benches, failed = threading.local(), list[Bench](), threading.Event()

    def objective(trial: optuna.Trial) -> float:
        if not hasattr(local, "bench"):
            local.bench = bench if workers == 1 else bench.again()
            benches.append(local.bench)
        number = trial.suggest_categorical("contender", numbers)
        score = 0.0
        for epoch, score in contest.scores(number, local.bench):
            trial.report(score, epoch)
            # The user's own model is what the others are held against: it goes to the end.
            if number and epoch < contest.recipe.epochs and trial.should_prune():
                raise optuna.TrialPruned
        return score

    def work() -> None:
        if failed.is_set():  # a thread goes on to the next before the others are called off
            return
        try:
            study.optimize(objective, n_trials=1)
        except BaseException:
            failed.set()
            raise

    try:
        if workers == 1:
            study.optimize(objective, n_trials=len(numbers))
            return
        # With jobs of its own, Optuna ends an interrupted study only after the trials at work.
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work) for _ in numbers]
            with ended_with(futures, benches):
                for future in as_completed(futures):
                    future.result()
    finally:
        for one in benches:
            if one is not bench:
                one.close()


def _pruner(contest: Contest, method: str) -> BasePruner:
    if brackets(contest, method) > 1:
        return HyperbandPruner(contest.least, contest.recipe.epochs, contest.rate)
    return SuccessiveHalvingPruner(min_resource=contest.least, reduction_factor=contest.rate)
