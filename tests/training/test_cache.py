from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_assistant.errors import UserError
from nas_assistant.families import Network, get_family
from nas_assistant.families.lemur import Lemur, LemurModel
from nas_assistant.training import GraphSet, load_graphs
from nas_assistant.training import _cache as cache

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.conv = nn.Conv2d(in_shape[1], 16, 3)
        self.head = nn.Linear(16, out_shape[0])

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""
BROKEN = NET.replace("super().__init__()", "super().__init__()\n        raise ValueError('no such luck')")
ENDING = NET.replace("super().__init__()", "super().__init__()\n        import os; os._exit(7)")


def network(key: str, accuracy: float, source: str = NET) -> Network[Any]:
    return Network(key, LemurModel(key, "norm_32", 0.01, 0.9, 16, source), accuracy)


NETWORKS = [
    network("first", 0.5),
    network("broken", 0.9, BROKEN),
    network("wider", 0.7, NET.replace("16", "24")),
    network("again", 0.6, NET + "# the same\n"),
    network("ends", 0.8, ENDING),
]


SHARD = 2


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that was filled by one extraction; its last shard has no graph at all."""
    folder = tmp_path_factory.mktemp("cache")
    told: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lemur, "shard", SHARD)
        load_graphs("lemur", NETWORKS, cache_dir=folder, workers=1, progress=lambda *n: told.append(n))
    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]
    return folder


@pytest.fixture(autouse=True)
def no_extraction(monkeypatch: pytest.MonkeyPatch, filled: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the cache should have had it")

    monkeypatch.setattr(cache, "ProcessPoolExecutor", refuse)
    monkeypatch.setattr(Lemur, "shard", SHARD)


def aligned(graphs: GraphSet) -> bool:
    sizes = {len(graphs), len(graphs.keys), len(graphs.accuracies), len(graphs.statistics)}
    same = all(
        np.array_equal(graph.size, row) for graph, row in zip(graphs.graphs, graphs.statistics, strict=True)
    )
    return len(sizes) == 1 and same


def test_what_has_no_graph_is_left_out_and_remembered(filled: Path) -> None:
    graphs = load_graphs("lemur", NETWORKS, cache_dir=filled)
    assert graphs.keys == ("first", "wider")
    assert aligned(graphs)
    assert graphs.statistics[:, 0].tolist() == [28 * 16 + 170, 28 * 24 + 250]
    assert set(graphs.skipped) == {"broken", "ends"}
    assert "broken.py:7: ValueError: no such luck" in graphs.skipped["broken"]
    assert "exit code 7" in graphs.skipped["ends"]


def test_one_graph_is_given_once_with_the_mean(filled: Path) -> None:
    graphs = load_graphs("lemur", NETWORKS, cache_dir=filled)
    assert graphs.identical == {"again": "first"}
    assert graphs.accuracies.tolist() == pytest.approx([0.55, 0.7])


@pytest.mark.parametrize(
    "change",
    [
        lambda n: replace(n, encoding=replace(n.encoding, source=n.encoding.source + "#")),
        lambda n: replace(n, encoding=replace(n.encoding, transform="norm_64")),
        lambda n: replace(n, key=n.key + "x"),
    ],
)
def test_a_change_under_the_same_key_is_noticed(filled: Path, change: Callable[..., Any]) -> None:
    changed = [change(NETWORKS[0]), *NETWORKS[1:]]
    with pytest.raises(AssertionError, match="should have had it"):
        load_graphs("lemur", changed, cache_dir=filled)
    there = load_graphs("lemur", changed, cache_dir=filled, extract=False)
    assert there.keys == ("wider", "again")
    assert set(there.skipped) == {"ends"}
    assert aligned(there)


def test_another_label_is_the_same_graph(filled: Path) -> None:
    relabelled = [replace(NETWORKS[0], accuracy=0.1), *NETWORKS[1:]]
    graphs = load_graphs("lemur", relabelled, cache_dir=filled)
    assert graphs.accuracies.tolist() == pytest.approx([0.35, 0.7])


def test_a_set_without_any_graph(filled: Path) -> None:
    graphs = load_graphs("lemur", NETWORKS[4:], cache_dir=filled)
    assert len(graphs) == 0 and set(graphs.skipped) == {"ends"}
    assert graphs.statistics.shape == (0, 3)
    assert aligned(graphs)


def test_a_fault_that_is_no_models_is_not_remembered(tmp_path: Path) -> None:
    unreachable = get_family("nb101").parse("3 100 1")
    with pytest.raises(UserError, match="does not reach its output"):
        cache._extract("nb101", [unreachable], tmp_path / "shard.safetensors")
    assert list(tmp_path.iterdir()) == []
