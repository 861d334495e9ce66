"""What decides which contenders go on: Optuna on one machine, Ray Tune on a cluster."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from nas_assistant.errors import MissingExtraError, UserError
from nas_assistant.verify._bench import Bench
from nas_assistant.verify._contest import Contest

BACKENDS = ("optuna", "ray")
METHODS = ("halving", "hyperband")


def run_contest(
    contest: Contest, bench: Bench, *, backend: str = "optuna", method: str = "halving", workers: int = 1
) -> None:
    """Train the contenders, the promising ones to the end; :meth:`Contest.standings` tells the outcome.

    Args:
        contest: What to train.
        bench: Where this process trains; on Ray every worker has its own, in the same folder.
        backend: ``optuna`` or ``ray``.
        method: ``halving`` (asynchronous successive halving, Li et al. 2020) or ``hyperband`` (several of
            them with other first rungs, Li et al. 2018).
        workers: Trainings at the same time; with more than one, who goes on depends on who is first.

    Raises:
        MissingExtraError: The backend is not installed.
        UserError: There is no such backend or method, or a model fails.
    """
    if method not in METHODS:
        raise UserError(f"--method {method}: choose one of {', '.join(METHODS)}")
    check_backend(backend)
    module = importlib.import_module(f"nas_assistant.verify._{backend}")
    module.run(contest, bench, method, workers)


def check_backend(backend: str) -> None:
    """Whether a backend can be used.

    Raises:
        MissingExtraError: It is not installed.
        UserError: There is none of that name.
    """
    if backend not in BACKENDS:
        raise UserError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}")
    if importlib.util.find_spec(backend) is None:
        raise MissingExtraError(backend, "tune", "Giving candidates to successive halving")


def brackets(contest: Contest, method: str) -> int:
    """First rungs that are tried: one of successive halving, Hyperband's as many as there are rungs."""
    return len(contest.rungs) if method == "hyperband" else 1


def training_failed(number: int, error: Any) -> UserError:
    """A contender whose training failed, in one line."""
    return UserError(f"candidate {number}: {' '.join(str(error).split())}")
