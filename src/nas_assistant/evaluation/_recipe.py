"""Our own recipe as a scorer beside the baselines, whole and with parts left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines import BaseBaseline, get_baseline
from nas_assistant.evaluation.baselines._base import Array, Progress
from nas_assistant.predictors import Predictor, from_target
from nas_assistant.training import GraphSet, TrainingConfig, default_cache_dir, fit_predictor, split

ABLATIONS: dict[str, dict[str, Any]] = {
    "experts": {},
    "experts_without_contrastive": {"contrastive": 0.0},
    "experts_without_reconstruction": {"reconstruction": 0.0},
    "experts_without_attention": {"attention": False},
    "experts_without_mixture": {"components": 1},
    "experts_without_sharing": {"shared_experts": False},
    "experts_without_temperature_schedule": {"temperatures": (0.2, 0.2)},
    "experts_without_labels_in_the_encoder": {"supervised_steps": 0},
    "experts_without_ranking_loss": {"ranking": 0.0},
    "experts_without_widening": {"widen": 0.0},
    "experts_without_kin": {"adopt_kin": False},
}
"""The network alone, without the structure prior, and what it loses without each of its parts."""

_FEW_STEPS = {"encoder_steps": 50, "supervised_steps": 200, "regressor_epochs": 20}

OURS = "nas_assistant"

SHORT = "nas_assistant_short"
"""Ours with fewer steps, for protocols of many trainings."""

_HELD_OUT = 200


class Recipe(BaseBaseline):
    """What ``nas-assistant train`` does.

    The encoder's state is kept in the cache, so that an interrupted fit goes on and recipes that differ only
    in what comes after it share it.
    """

    learns = True
    predicts_accuracy = True

    def __init__(
        self, name: str, changes: dict[str, Any], *, experts_only: bool = False, cache_dir: Path | None = None
    ) -> None:
        # Set on the instance: one class serves every ablation.
        self.name = name  # type: ignore[misc]
        self.title = name.replace("_", " ")  # type: ignore[misc]
        self._changes, self._experts_only = changes, experts_only
        self._cache_dir = cache_dir or default_cache_dir().parent / "recipes"
        self._predictor: Predictor | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Train on some of the networks, and set the intervals by the others."""
        config = TrainingConfig(
            families=tuple(one.family for one in sets),
            seed=seed,
            held_out=_HELD_OUT,
            interval_families=(),
            **self._changes,
        )
        parts = [split(graphs, config) for graphs in sets]
        settings = json.dumps([config.encoder_settings(), [len(graphs) for graphs in sets]], sort_keys=True)
        state = self._cache_dir / hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
        self._predictor = fit_predictor(
            [learned for learned, _, _ in parts],
            [calibrating for _, calibrating, _ in parts],
            [],
            config,
            state,
            partial(_report, progress),
        )

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        predictor = self._trained()
        if self._experts_only:
            return from_target(torch.from_numpy(predictor.expert_targets(graphs))).numpy()
        return np.asarray([prediction.accuracy for prediction in predictor.predict_arrays(graphs)])

    def intervals(self, graphs: Sequence[GraphArrays]) -> Array:
        """Ends of the 90 % intervals, ``(graphs, 2)``."""
        return np.asarray([prediction.interval for prediction in self._trained().predict_arrays(graphs)])

    def _trained(self) -> Predictor:
        if self._predictor is None:
            raise RuntimeError(f"fit {self.name} first")
        return self._predictor


def get_scorer(name: str) -> BaseBaseline:
    """A scorer by name, not fitted: ours, whole or short, one of its ablations, or a baseline.

    Raises:
        UserError: There is none of that name.
    """
    if name == OURS:
        return Recipe(name, {})
    if name == SHORT:
        return Recipe(name, _FEW_STEPS)
    if name in ABLATIONS:
        return Recipe(name, {**_FEW_STEPS, **ABLATIONS[name]}, experts_only=True)
    return get_baseline(name)


def _report(progress: Progress | None, stage: str, done: int, total: int, remark: str) -> None:
    if progress is not None:
        progress(stage, done, total)
