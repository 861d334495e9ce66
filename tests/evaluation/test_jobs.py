"""Jobs of the predictor's table: kept, resumed, refused, summed up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_assistant.encoders import GraphArrays
from nas_assistant.errors import UserError
from nas_assistant.evaluation import Job, Networks, Protocol, _jobs, protocols, run_job, summarise
from nas_assistant.evaluation.baselines import BaseBaseline
from nas_assistant.families import find_data_root, get_family
from nas_assistant.training import GraphSet


def arrays(size: float) -> GraphArrays:
    return GraphArrays(
        np.zeros((1, 5), np.uint8),
        np.zeros((1, 8), np.float32),
        np.zeros((2, 0), np.int32),
        np.zeros(21, np.float32),
        np.full(3, size),
    )


def graph_set(family: str, sizes: Sequence[float]) -> GraphSet:
    graphs = tuple(arrays(size) for size in sizes)
    keys = tuple(f"{family} {size}" for size in sizes)
    return GraphSet(family, keys, graphs, np.asarray(sizes) / 100, np.stack([g.size for g in graphs]))


@dataclass(frozen=True)
class Made(Networks):
    """Networks that no table is needed for."""

    def to_learn(self, family: str) -> GraphSet:
        return graph_set(family, range(self.learned))

    def to_rank(self, family: str, learned: bool) -> tuple[GraphSet, dict[str, list[int]]]:
        start = self.learned if learned else 0
        graphs = graph_set(family, range(start, start + self.ranked))
        return graphs, {"all": list(range(len(graphs))), "even": list(range(0, len(graphs), 2))}


class Size(BaseBaseline):
    """The size, upside down for odd seeds."""

    name = "size"
    title = "size"
    learns = True

    def __init__(self) -> None:
        self.learned: list[str] = []

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Any = None) -> None:
        super().fit(sets, seed, progress)
        self.learned = [f"{one.family} {len(one)}" for one in sets]

    def score(self, graphs: Sequence[GraphArrays]) -> np.ndarray:
        return np.asarray([g.size[0] for g in graphs]) * (-1) ** self.seed


class Broken(Size):
    def score(self, graphs: Sequence[GraphArrays]) -> np.ndarray:
        raise KeyboardInterrupt


NETWORKS = Made(learned=40, ranked=30)
PROTOCOL = Protocol("zero_shot", ("a",), ("a", "b"))


def test_a_job_is_kept_and_not_run_again(tmp_path: Path) -> None:
    job, scorer = Job("size", PROTOCOL, 0), Size()
    with pytest.raises(KeyboardInterrupt):
        run_job(job, Broken(), NETWORKS, tmp_path)
    assert not job.path(tmp_path).exists()
    result = run_job(job, scorer, NETWORKS, tmp_path)
    assert scorer.learned == ["a 40"]
    assert result["families"]["a"]["views"]["all"]["networks"] == 30  # those that were not learned
    row = result["families"]["b"]["views"]["even"]
    assert row["networks"] == 15 and row["metrics"]["srcc"] == pytest.approx(1.0)
    assert row["metrics"]["mae"] is None and row["intervals"]["srcc"] == pytest.approx((1.0, 1.0))
    again = run_job(job, Broken(), NETWORKS, tmp_path)
    assert again == json.loads(json.dumps(result))


def test_results_of_other_settings_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    job = Job("size", PROTOCOL, 0)
    run_job(job, Size(), NETWORKS, tmp_path)
    with pytest.raises(UserError, match="of other settings"):
        run_job(job, Size(), replace(NETWORKS, ranked=20), tmp_path)
    path = job.path(tmp_path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(UserError, match="delete it to run it again"):
        run_job(job, Size(), NETWORKS, tmp_path)


def test_the_summary_is_the_mean_over_the_seeds(tmp_path: Path) -> None:
    results = [run_job(Job("size", PROTOCOL, seed), Size(), NETWORKS, tmp_path) for seed in range(3)]
    rows = list(summarise(results))
    assert [(row["family"], row["view"]) for row in rows] == [(f, v) for f in "ab" for v in ("all", "even")]
    assert all(row["seeds"] == 3 and row["srcc"] == pytest.approx(1 / 3) for row in rows)
    assert rows[0]["srcc_of_seeds"] == pytest.approx([-1.0, 1.0]) and rows[0]["mae"] is None


def test_protocols_leave_each_family_out() -> None:
    whole, without_a, without_b = protocols(["zero_shot", "leave_one_out"], ["a", "b"], source="a")
    assert whole == PROTOCOL
    assert without_a == Protocol("without_a", ("b",), ("a",)) and without_b.ranked == ("b",)
    with pytest.raises(UserError, match="no protocol named 'few'"):
        protocols(["few"], ["a"])


def test_what_is_ranked_was_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    table = find_data_root() / get_family("nb201").table
    if not table.is_file():
        pytest.skip(f"no label table {table}: set NAS_ASSISTANT_DATA to its folder")
    monkeypatch.setattr(
        _jobs,
        "load_graphs",
        lambda family, networks, **_: replace(
            graph_set(family, range(len(networks))), keys=tuple(network.key for network in networks)
        ),
    )
    networks = Networks(learned=500, ranked=200)
    learned = set(networks.to_learn("nb201").keys)
    graphs, views = networks.to_rank("nb201", learned=True)
    assert len(learned) == 500 and len(graphs) == 200 and not learned & set(graphs.keys)
    assert views["whole space"] == list(range(200)) and 0 < len(views["distinct, without none"]) < 100
    alone, _ = networks.to_rank("nb201", learned=False)
    assert set(alone.keys) <= learned  # the first of the same order
    few = Networks(learned=20_000, ranked=1_000)  # more than there are
    assert len(few.to_learn("nb201")) == 14_625 and len(few.to_rank("nb201", learned=True)[0]) == 1_000
