"""Learning from a user's own measured networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

import nas_assistant
from nas_assistant.errors import UserError
from nas_assistant.metrics import rank_metrics
from nas_assistant.predictors import Adapter, Predictor, Vocabulary, from_target, to_target, traits
from nas_assistant.training._cache import GraphSet

LEAST = 10
"""Networks that a fine-tuning needs."""


def fine_tune(predictor: Predictor, graphs: GraphSet, *, seed: int = 0) -> Predictor:
    """A predictor that has learned from measured networks of one kind.

    The encoder and the experts stay as they are: a correction is learned on top of them, in closed form and
    in seconds (see :class:`Adapter`). An adapter that the predictor has is replaced.

    Args:
        predictor: Any predictor.
        graphs: 10 to about 1,000 networks with their accuracies, all measured alike.
        seed: Of the pairs that set the interval of a gain.

    Returns:
        The predictor; its ``metadata["fine_tuning"]`` has the number of networks, and the ranking metrics on
        them of the predictor before, and of each network predicted without its own label.

    Raises:
        UserError: There are fewer than 10 networks, or all accuracies are equal.
    """
    if len(graphs) < LEAST:
        raise UserError(f"{len(graphs)} measured networks are too few to learn from; give at least {LEAST}")
    if np.ptp(graphs.accuracies) == 0.0:
        raise UserError("all measured accuracies are equal, which leaves nothing to learn; give others too")
    predicted = predictor.base_targets(graphs.graphs)
    targets = to_target(torch.from_numpy(graphs.accuracies)).numpy()
    kinds = predictor.vocabulary.kinds | Vocabulary.of(graphs.graphs).kinds
    adapter, without = Adapter.fit(
        traits(graphs.graphs), predicted, targets, Vocabulary(frozenset(kinds)), seed=seed
    )
    facts: dict[str, Any] = {
        "family": graphs.family,
        "networks": len(graphs),
        "before": _metrics(predicted, graphs),
        "leave_one_out": _metrics(without, graphs),
        "seed": seed,
        "version": nas_assistant.__version__,
    }
    return replace(predictor, adapter=adapter, metadata={**predictor.metadata, "fine_tuning": facts})


def _metrics(targets: np.ndarray[Any, np.dtype[np.float64]], graphs: GraphSet) -> dict[str, float]:
    return rank_metrics(from_target(torch.from_numpy(targets)).numpy(), graphs.accuracies)
