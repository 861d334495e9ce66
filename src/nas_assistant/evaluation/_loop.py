"""The loop against the truth: Mishra 2023, Figure 3.6, with the gain that was really there."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_assistant.errors import FailureKind, UserError
from nas_assistant.evaluation._loop_rows import EncodingSearch, LoopRow
from nas_assistant.evaluation._scores import Misled
from nas_assistant.evaluation._truth import Match, Truth

if TYPE_CHECKING:
    from nas_assistant.assistant import Candidate, Result
    from nas_assistant.families import BaseFamily, Network
    from nas_assistant.generators import BaseGenerator
    from nas_assistant.predictors import Predictor

LOOP_FAMILIES = ("nb101", "nb201", "nb301")
_VIEWS = {"nb201": "distinct, without none"}
"""Where the start is drawn from, and the deviation taken: GENNAPE has no graph of a cell with ``none``."""

Report = Callable[[str, str, int, int], None]


@dataclass(frozen=True)
class LoopSettings:
    """What all units of a table share.

    Attributes:
        networks: Of each family.
        iterations: Most rounds.
        proposals: Candidates a round.
        seed: Of the draw and of every search.
    """

    networks: int = 50
    iterations: int = 10
    proposals: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("networks", "iterations", "proposals"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: at least 1")


class LoopRecords:
    """The units that are done, one line of JSON each.

    Args:
        path: The file; made when absent. A last line that a kill cut short is dropped.

    Raises:
        UserError: Another line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.is_file() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            path.write_bytes(whole)
        self._records: dict[tuple[str, ...], dict[str, Any]] = {}
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                record = json.loads(line)
                self._records[_place(record["unit"])] = record
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}:{number}: not a unit of the loop's table ({error})") from error

    def get(self, unit: dict[str, Any]) -> dict[str, Any] | None:
        """What is known of a unit."""
        return self._records.get(_place(unit))

    def all(self) -> list[dict[str, Any]]:
        """Everything that is known, in the order in which it came."""
        return list(self._records.values())

    def add(self, record: dict[str, Any]) -> None:
        """Keep a unit; it is on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[_place(record["unit"])] = record


def _place(unit: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name}={unit[name]}" for name in sorted(unit))


@dataclass(frozen=True)
class Population:
    """One family of the table.

    Attributes:
        family: It.
        starts: The networks to improve.
        pool: The networks that they were drawn from and that random search draws from.
        deviation: Of the accuracies of the pool.
        truth: Its labels.
    """

    family: BaseFamily[Any]
    starts: tuple[Network[Any], ...]
    pool: list[Network[Any]]
    deviation: float
    truth: Truth

    @property
    def gain(self) -> float:
        """The predicted gain to reach: a quarter of the deviation (Mishra 2023, section 3.3)."""
        return self.deviation / 4


def load_population(
    name: str, predictor: Predictor, settings: LoopSettings, data_root: Path | None = None
) -> Population:
    """Draw the networks of a family; none that the predictor learned from.

    Raises:
        UserError: The family has no source, or its table is missing.
    """
    from nas_assistant.evaluation._evaluate import unseen_networks
    from nas_assistant.families import get_family

    if name not in LOOP_FAMILIES:
        raise UserError(f"no loop over the family {name!r}: choose of {', '.join(LOOP_FAMILIES)}")
    family = get_family(name)
    unseen = unseen_networks(name, predictor, None, settings.seed, data_root)
    view = _VIEWS.get(name)
    pool = unseen if view is None else family.views(unseen)[view]
    accuracies = np.asarray([network.accuracy for network in pool])
    truth = Truth(family, family.networks(data_root), settings.seed)
    return Population(family, tuple(pool[: settings.networks]), pool, float(accuracies.std()), truth)


def run_loop(
    populations: Sequence[Population],
    rows: Sequence[LoopRow],
    settings: LoopSettings,
    predictor: Predictor,
    records: LoopRecords,
    report: Report | None = None,
) -> list[dict[str, Any]]:
    """Run every unit that is not in the records: each network of each family in each row.

    Networks come first and rows last, so that a run that is stopped has rows that can be compared.

    Args:
        populations: The families.
        rows: How to search.
        settings: Of all units.
        predictor: Predicts.
        records: What is done, and where what is new goes.
        report: Called before each unit with family, row, its number and the number of units.

    Returns:
        The records of all units.
    """
    digest = hashlib.sha256(json.dumps(predictor.metadata, sort_keys=True).encode()).hexdigest()[:12]
    done: list[dict[str, Any]] = []
    total = sum(len(population.starts) for population in populations) * len(rows)
    most = max(len(population.starts) for population in populations)
    for index in range(most):
        for population in populations:
            if index >= len(population.starts):
                continue
            network = population.starts[index]
            for row in rows:
                unit = {"family": population.family.name, "row": row.name, "network": network.key,
                        "predictor": digest, "iterations": settings.iterations,
                        "proposals": settings.proposals, "seed": settings.seed}  # fmt: skip
                record = records.get(unit)
                if record is None:
                    if report is not None:
                        report(population.family.name, row.name, len(done) + 1, total)
                    record = {"unit": unit, **_run_unit(population, network, row, settings, predictor)}
                    records.add(record)
                done.append(record)
    return done


def _run_unit(
    population: Population, network: Network[Any], row: LoopRow, settings: LoopSettings, predictor: Predictor
) -> dict[str, Any]:
    started, seed = time.perf_counter(), _seed(settings.seed, network.key)
    if row.kind == "generator":
        found = _improve(population, network, row, settings, predictor, seed)
    else:
        found = _search(population, network, row, settings, predictor, seed)
    start = population.truth.of(network.encoding)
    return {
        "start": start.accuracy,
        "best_of_family": population.truth.best,
        "target_gain": population.gain,
        "seconds": round(time.perf_counter() - started, 2),
        **found,
    }


def _improve(
    population: Population,
    network: Network[Any],
    row: LoopRow,
    settings: LoopSettings,
    predictor: Predictor,
    seed: int,
) -> dict[str, Any]:
    """The assistant's own loop on the network's source."""
    from nas_assistant.assistant import improve
    from nas_assistant.generators import get_generator

    family = population.family
    generator: BaseGenerator = get_generator(row.generator, **row.generator_options(family.name))
    if row.scores != "true":
        generator = Misled(generator, row.scores)
    with tempfile.TemporaryDirectory(prefix="nas-assistant-loop-") as folder:
        path = Path(folder) / "network.py"
        path.write_text(family.source(network.encoding), encoding="utf-8")
        try:
            result = improve(
                path,
                entry="Network",
                input_shape=family.input_shape,
                gain=population.gain,
                max_iterations=settings.iterations,
                proposals_per_iteration=settings.proposals,
                max_params=None,
                max_flops=None,
                generator=generator,
                predictor=predictor,
                seed=seed,
                run_dir=Path(folder) / "run",
                report=False,
                **row.search,
            )
            return _of_result(result, population.truth, population.truth.of(network.encoding), generator)
        finally:
            generator.close()


def _of_result(result: Result, truth: Truth, start: Match, generator: BaseGenerator) -> dict[str, Any]:
    usage = generator.usage()
    passed = [entry for entry in result.history if entry.failure is None]
    matches = {entry.number: truth.match(_graph(result, entry)) for entry in passed}
    best = [entry for entry in passed if entry.best]
    inside = [entry for entry in passed if matches[entry.number] and (entry.trusted_gain or 0.0) > 0]
    chosen = max(inside, key=lambda entry: entry.trusted_gain or 0.0, default=None)
    return {
        "iterations": result.iterations,
        "reached": result.stopped == "threshold",
        "predicted_start": result.original_prediction.accuracy,
        "predicted_gain": result.gain if result.improved else 0.0,
        "candidates": len(result.history),
        "valid": len(passed),
        "changed": sum(entry.failure is None or _is_another(entry) for entry in result.history),
        "failures": dict(Counter(entry.failure.kind.value for entry in result.history if entry.failure)),
        "accepted": len(best),
        "in_family": sum(match is not None for match in matches.values()),
        "labelled": sum(match is not None and match.accuracy is not None for match in matches.values()),
        "parameters": [result.parameters[0], result.parameters[1]],
        "best": _match(matches[best[-1].number] if best else start),
        "best_in_family": _match(start if chosen is None else matches[chosen.number]),
        "tokens": None if usage is None else usage.tokens,
    }


def _graph(result: Result, entry: Candidate) -> Any:
    from nas_assistant.graphs import ComputationalGraph

    return ComputationalGraph.load(result.run_dir / "candidates" / f"{entry.number:04d}" / "graph.json")


def _is_another(entry: Candidate) -> bool:
    """Whether a candidate that was turned down is a network other than the one it began with."""
    kinds = (FailureKind.DUPLICATE, FailureKind.CONSTRAINT)
    return entry.failure is not None and entry.failure.kind in kinds and entry.hash is not None


def _search(
    population: Population,
    network: Network[Any],
    row: LoopRow,
    settings: LoopSettings,
    predictor: Predictor,
    seed: int,
) -> dict[str, Any]:
    """A search that knows the family's encodings, with as many predictions."""
    search = EncodingSearch(
        population.family, population.pool, predictor, settings.iterations, settings.proposals, seed
    )
    seen, rounds = search.run(row.kind, network.encoding, population.gain)
    best = max(seen, key=lambda one: one.prediction.accuracy)
    gain = best.prediction.accuracy - seen[0].prediction.accuracy
    bests = [one.prediction.accuracy for one in seen]
    found = _match(population.truth.of(best.encoding))
    known = [population.truth.known(one.encoding) for one in seen[1:]]
    return {
        "iterations": rounds,
        "reached": gain >= population.gain,
        "predicted_start": seen[0].prediction.accuracy,
        "predicted_gain": gain,
        "candidates": len(seen) - 1,
        "valid": len(seen) - 1,
        "changed": len(seen) - 1,
        "accepted": sum(bests[i] > max(bests[:i]) for i in range(1, len(bests))),
        "in_family": len(seen) - 1,
        "labelled": sum(known),
        "best": found,
        "best_in_family": found,
        "tokens": None,
    }


def _match(match: Match | None) -> dict[str, Any] | None:
    return None if match is None else asdict(match)


def _seed(seed: int, key: str) -> int:
    """The same for every row, so that rows differ in nothing else."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:4], "big")
