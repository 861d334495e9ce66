"""The public NAS-Bench-101, ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``."""

from __future__ import annotations

import base64
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from nas_assistant.errors import UserError
from nas_assistant.families._tfrecord import read_fields, read_records

FILES = ("nasbench_full.tfrecord", "nasbench_only108.tfrecord")
"""Names of the public file, the one with all budgets first."""

_EVALUATION, _PARAMETERS = 1, 2
_EPOCH, _VALIDATION, _TEST = 1, 4, 5


@dataclass(slots=True)
class Trainings:
    """What is published about one cell.

    Attributes:
        bits: Upper triangle of the adjacency matrix, row by row.
        operations: Names of the operations, ``input`` and ``output`` included.
        parameters: Trainable parameters.
        validation: Final validation accuracies by epoch budget, one for each repeat.
        test: The same of the test accuracy.
    """

    bits: str
    operations: tuple[str, ...]
    parameters: int
    validation: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    test: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


def read_trainings(path: Path) -> dict[str, Trainings]:
    """Every cell of the public file by its hash; reading 1.3 million records takes a minute or two.

    Raises:
        UserError: The file is not NAS-Bench-101's.
    """
    found: dict[str, Trainings] = {}
    for number, record in enumerate(read_records(path)):
        try:
            _add(found, record)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: record {number} is not one of NAS-Bench-101 ({error})") from error
    return found


def _add(found: dict[str, Trainings], record: bytes) -> None:
    key, epochs, adjacency, operations, metrics = json.loads(record)
    parameters, final = _metrics(base64.b64decode(metrics, validate=True))
    if key not in found:
        vertices = math.isqrt(len(adjacency))
        names = tuple(operations.split(","))
        if vertices**2 != len(adjacency) or vertices != len(names) or not set(adjacency) <= {"0", "1"}:
            raise ValueError(f"adjacency {adjacency!r} for operations {operations!r}")
        rows = [adjacency[row * vertices : (row + 1) * vertices] for row in range(vertices)]
        bits = "".join(row[index + 1 :] for index, row in enumerate(rows))
        found[key] = Trainings(bits, names, parameters)
    found[key].validation[int(epochs)].append(final[_VALIDATION])
    found[key].test[int(epochs)].append(final[_TEST])


def _metrics(message: bytes) -> tuple[int, dict[int, float]]:
    """Trainable parameters, and the fields of the evaluation after the last epoch."""
    parameters, evaluations = 0, []
    for number, value in read_fields(message):
        if number == _EVALUATION and isinstance(value, bytes):
            evaluations.append({n: v for n, v in read_fields(value) if isinstance(v, float)})
        elif number == _PARAMETERS and isinstance(value, int):
            parameters = value
    if not evaluations:
        raise ValueError("no evaluation")
    return parameters, max(evaluations, key=lambda evaluation: evaluation[_EPOCH])
