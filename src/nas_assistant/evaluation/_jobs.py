"""The predictor's table as jobs: one scorer under one protocol with one seed, kept in one file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nas_assistant._files import replace_json
from nas_assistant.errors import UserError
from nas_assistant.evaluation._evaluate import score_row
from nas_assistant.evaluation.baselines import BaseBaseline
from nas_assistant.families import get_family
from nas_assistant.training import GraphSet, load_graphs

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Protocol:
    """What is learned from and what is ranked.

    Attributes:
        name: Of the folder that its results lie in.
        learned: Families whose labels are given.
        ranked: Families whose networks are ranked; of one that is learned, networks that were not given.
    """

    name: str
    learned: tuple[str, ...]
    ranked: tuple[str, ...]


def protocols(names: Sequence[str], families: Sequence[str], source: str = "nb101") -> list[Protocol]:
    """Protocols by their names.

    Args:
        names: ``zero_shot``: one family is learned and all are ranked. ``leave_one_out``: each family in turn
            is ranked by what learned all others.
        families: All families.
        source: The family that ``zero_shot`` learns.

    Raises:
        UserError: A name is unknown.
    """
    found: list[Protocol] = []
    for name in names:
        if name == "zero_shot":
            found.append(Protocol(name, (source,), tuple(families)))
        elif name == "leave_one_out":
            others = {left: tuple(f for f in families if f != left) for left in families}
            found.extend(Protocol(f"without_{left}", rest, (left,)) for left, rest in others.items())
        else:
            raise UserError(f"no protocol named {name!r}: choose from zero_shot, leave_one_out")
    return found


@dataclass(frozen=True)
class Job:
    """One file of results.

    Attributes:
        scorer: Name of the scorer.
        protocol: What it learns and ranks.
        seed: Of its training; the networks are the same for every seed.
    """

    scorer: str
    protocol: Protocol
    seed: int

    def path(self, folder: Path) -> Path:
        """Where its results lie."""
        return folder / self.protocol.name / f"{self.scorer}-{self.seed}.json"


@dataclass(frozen=True)
class Networks:
    """Which networks are learned and ranked, the same ones for every job.

    Attributes:
        learned: Of each family, at most.
        ranked: Of each family, at most.
        data_root: Folder of the label tables.
        cache_dir: Folder of the graph cache.
        workers: Processes that extract graphs.
    """

    learned: int = 5_000
    ranked: int = 1_000
    data_root: Path | None = None
    cache_dir: Path | None = None
    workers: int | None = None
    _kept: dict[tuple[str, int, int], tuple[GraphSet, dict[str, list[str]]]] = field(default_factory=dict)

    def to_learn(self, family: str) -> GraphSet:
        """Graphs and labels that a scorer is given; enough are left over to rank, or half of the family."""
        return self._load(family, 0, self._learned(family))[0]

    def to_rank(self, family: str, learned: bool) -> tuple[GraphSet, dict[str, list[int]]]:
        """Graphs to rank, and the places of each view's among them."""
        start = self._learned(family) if learned else 0
        graphs, views = self._load(family, start, start + self.ranked)
        place = {key: index for index, key in enumerate(graphs.keys)}
        return graphs, {view: [place[key] for key in keys if key in place] for view, keys in views.items()}

    def settings(self) -> dict[str, int]:
        """What a file of results must agree in."""
        return {"learned": self.learned, "ranked": self.ranked}

    def _learned(self, family: str) -> int:
        total = len(get_family(family).networks(self.data_root))
        return min(self.learned, max(total - self.ranked, total // 2))

    def _load(self, family: str, start: int, stop: int) -> tuple[GraphSet, dict[str, list[str]]]:
        at = (family, start, stop)
        if at not in self._kept:
            source = get_family(family)
            networks = source.networks(self.data_root, limit=stop, seed=0)[start:]
            graphs = load_graphs(family, networks, cache_dir=self.cache_dir, workers=self.workers)
            views = {view: [n.key for n in members] for view, members in source.views(networks).items()}
            self._kept[at] = (graphs, views)
        return self._kept[at]


def run_job(
    job: Job, scorer: BaseBaseline, networks: Networks, folder: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Fit, rank, and write the file; or read it where it is there.

    Args:
        job: Which one.
        scorer: A fresh one of that name.
        networks: What is learned and ranked.
        folder: Of all results.
        progress: Called with the stage of the fit, what is done of it, and its total.

    Raises:
        UserError: The file is of other settings or damaged.
    """
    path = job.path(folder)
    done = read_job(path, networks)
    if done is not None:
        return done
    started = time.process_time()
    learned = [networks.to_learn(family) for family in job.protocol.learned] if scorer.learns else []
    scorer.fit(learned, job.seed, progress)
    result = {
        "scorer": job.scorer,
        "title": scorer.title,
        "protocol": job.protocol.name,
        "seed": job.seed,
        "settings": networks.settings(),
        "fit_seconds": round(time.process_time() - started, 1),
        "families": {
            family: _rank(scorer, *networks.to_rank(family, family in job.protocol.learned))
            for family in job.protocol.ranked
        },
    }
    replace_json(path, result, indent=None)
    return result


def read_job(path: Path, networks: Networks) -> dict[str, Any] | None:
    """The results in a file, or None where there is none.

    Raises:
        UserError: The file is of other settings or damaged.
    """
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings = found["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no results of a benchmark ({error}); delete it to run it again") from error
    if settings != networks.settings():
        raise UserError(f"{path}: of other settings ({settings}); choose another --out, or delete it")
    return found


def _rank(scorer: BaseBaseline, graphs: GraphSet, views: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    started = time.process_time()
    scores = scorer.score(graphs.graphs)
    seconds = time.process_time() - started
    ends = scorer.intervals(graphs.graphs)
    inside = None if ends is None else (ends[:, 0] <= graphs.accuracies) & (graphs.accuracies <= ends[:, 1])
    rows = {}
    for view, places in views.items():
        row = score_row(
            scorer.name,
            scores[list(places)],
            graphs.accuracies[list(places)],
            predicts_accuracy=scorer.predicts_accuracy,
        )
        spread = float(np.std(graphs.accuracies[list(places)]))
        coverage = None if inside is None else float(inside[list(places)].mean())
        rows[view] = {"networks": len(places), "deviation": spread, "coverage": coverage, **asdict(row)}
    return {
        "graphs_per_second": round(len(graphs) / max(seconds, 1e-9)),
        "views": rows,
    }


def summarise(results: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row for each protocol, family, view and scorer: means over the seeds, and their range of SRCC."""
    groups: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for result in results:
        for family, ranked in result["families"].items():
            for view, row in ranked["views"].items():
                # What is ranked by whoever learned the other families is one table.
                protocol = (
                    "leave_one_out" if result["protocol"].startswith("without_") else result["protocol"]
                )
                groups.setdefault((protocol, family, view, result["scorer"]), []).append(row)
    for (protocol, family, view, scorer), rows in groups.items():
        correlations = [row["metrics"]["srcc"] for row in rows]
        yield {
            "protocol": protocol,
            "family": family,
            "view": view,
            "networks": rows[0]["networks"],
            "deviation": rows[0]["deviation"],
            "scorer": scorer,
            "seeds": len(rows),
            "coverage": _mean([row.get("coverage") for row in rows]),
            **{name: _mean([row["metrics"][name] for row in rows]) for name in rows[0]["metrics"]},
            "srcc_interval": [_mean([row["intervals"]["srcc"][end] for row in rows]) for end in (0, 1)],
            "srcc_of_seeds": [min(correlations), max(correlations)],
        }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
