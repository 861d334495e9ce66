"""The same contest on Ray Tune, on this machine or a cluster."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from nas_assistant.errors import ModelError, UserError
from nas_assistant.sources import Limits
from nas_assistant.verify._backends import brackets, training_failed
from nas_assistant.verify._bench import Bench
from nas_assistant.verify._contest import Contest

_RETRIES = 3


def run(contest: Contest, bench: Bench, method: str, workers: int) -> None:
    """Train the contenders on the workers of Ray, started here unless a cluster is there already.

    A worker that is lost is replaced, and its training goes on from the last epoch that was kept.
    """
    contest = replace(contest, folder=contest.folder.resolve())
    bench.train(contest.contenders[0].subject, contest.seed)  # once, and not on every worker
    started = not ray.is_initialized()
    if started:
        own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, configure_logging=False, **own)
    try:
        results = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(_train, contest=contest, limits=bench.limits), {"cpu": 1}
            ),
            param_space={"contender": tune.grid_search([one.number for one in contest.contenders])},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                max_concurrent_trials=workers,
                time_budget_s=bench.seconds_left,
                scheduler=tune.schedulers.AsyncHyperBandScheduler(
                    time_attr="epoch",
                    max_t=contest.recipe.epochs,
                    grace_period=contest.least,
                    reduction_factor=contest.rate,
                    brackets=brackets(contest, method),
                ),
            ),
            run_config=tune.RunConfig(
                name="contest",
                storage_path=str(contest.folder / "ray"),
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                verbose=0,
            ),
        ).fit()
        for result in results:
            if result.error is not None:
                number = (result.config or {}).get("contender", 0)
                raise training_failed(number, str(result.error).strip().splitlines()[-1])
    finally:
        if started:
            ray.shutdown()


def _train(config: dict[str, Any], contest: Contest, limits: Limits) -> None:
    with Bench(contest.folder, contest.data, contest.recipe, limits=limits) as bench:
        try:
            for epoch, score in contest.scores(config["contender"], bench):
                tune.report({"epoch": epoch, "score": score})
        except ModelError as error:
            raise UserError(str(error)) from None  # Ray copies an error from its message alone
