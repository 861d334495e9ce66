"""A random forest on statistics of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_assistant.encoders import GraphArrays
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.evaluation.baselines._statistics import graph_statistics
from nas_assistant.training import GraphSet

_TREES = 300
_STEPS = 10


class RandomForest(BaseBaseline):
    """300 trees on :func:`graph_statistics` (Breiman 2001, "Random Forests")."""

    name = "random_forest"
    title = "random forest on graph statistics"
    learns = True
    predicts_accuracy = True

    def __init__(self) -> None:
        self._forest: Any = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Grow the trees."""
        from sklearn.ensemble import RandomForestRegressor  # a slow import that only this needs

        statistics = np.concatenate([graph_statistics(one.graphs) for one in sets])
        accuracies = np.concatenate([one.accuracies for one in sets])
        self._forest = RandomForestRegressor(max_features=1 / 3, random_state=seed, warm_start=True)
        for step in range(1, _STEPS + 1):
            self._forest.set_params(n_estimators=step * _TREES // _STEPS)
            self._forest.fit(statistics, accuracies)
            if progress is not None:
                progress("trees", step * _TREES // _STEPS, _TREES)

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        if self._forest is None:
            raise RuntimeError("fit the forest first")
        return np.asarray(self._forest.predict(graph_statistics(graphs)), dtype=np.float64)
