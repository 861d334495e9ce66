"""The public trainings of NAS-Bench-301: one JSON file, ``results_*.json``, for each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant.errors import UserError

FOLDER = "nb_301_v13"
"""Name of the public folder."""

_DARTS = "NetworkSelectorDatasetInfo:darts:"
_FIRST_SLOT = (0, 2, 5, 9)

_RECIPE = {
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": 100,
    "OptimizerSelector:sgd:learning_rate": 0.025,
    "OptimizerSelector:sgd:weight_decay": 3e-4,
}
"""The training behind the surrogate; the folder also has trainings with other epochs and rates."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training.

    Attributes:
        key: Path of its file in the folder.
        normal: Edges ``(operation, input)`` of the cell that keeps the resolution.
        reduce: Edges of the cell that halves it.
        validation: Final validation accuracy, a fraction.
        test: Test accuracy, a fraction.
    """

    key: str
    normal: tuple[tuple[str, int], ...]
    reduce: tuple[tuple[str, int], ...]
    validation: float
    test: float


def read_trainings(folder: Path, channels: int, cells: int) -> Iterator[Training]:
    """The trainings of networks of that size by the surrogate's recipe, in the order of their paths.

    Raises:
        UserError: A file is not one of NAS-Bench-301.
    """
    for path in sorted(folder.rglob("results_*.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            config = results["optimized_hyperparamater_config"]  # spelt so in the public files
            if (config[_DARTS + "init_channels"], config[_DARTS + "layers"]) != (channels, cells):
                continue
            if not all(math.isclose(config.get(name, value), value) for name, value in _RECIPE.items()):
                continue
            yield Training(
                str(path.relative_to(folder)),
                _edges(config, "normal"),
                _edges(config, "reduce"),
                float(results["info"][0]["val_accuracy"]) / 100,
                float(results["test_accuracy"]) / 100,
            )
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except KeyError as error:
            raise UserError(f"{path}: not a result of NAS-Bench-301, it has no {error}") from error
        except (ValueError, TypeError, IndexError) as error:
            raise UserError(f"{path}: not a result of NAS-Bench-301 ({error})") from error


def _edges(config: Mapping[str, Any], cell: str) -> tuple[tuple[str, int], ...]:
    """The edges of one cell: each of its 14 slots has a source and a target, eight are taken."""
    edges = []
    for node, first in enumerate(_FIRST_SLOT):
        inputs = config[f"{_DARTS}inputs_node_{cell}_{node + 2}"] if node else "0_1"
        for source in map(int, inputs.split("_")):
            edges.append((str(config[f"{_DARTS}edge_{cell}_{first + source}"]), source))
    return tuple(edges)
