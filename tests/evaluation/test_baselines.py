"""Every baseline on small networks whose accuracy their graphs tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nas_assistant.encoders import GraphArrays
from nas_assistant.errors import UserError
from nas_assistant.evaluation.baselines import (
    _fitting,
    gennape,
    get_baseline,
    k_gnn,
    list_baselines,
    thesis,
)
from nas_assistant.evaluation.baselines._clusters import FuzzyClusters
from nas_assistant.evaluation.baselines._nodes import NodeBatch, linear_sizes
from nas_assistant.evaluation.baselines._statistics import graph_statistics
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.training import GraphSet

LEARNED = [name for name in list_baselines() if get_baseline(name).learns]


class Net(nn.Module):
    def __init__(self, width: int, depth: int, residual: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        for layer in self.body:
            x = x + layer(x) if self.residual else layer(x)
        return self.head(x.mean((2, 3)))


def arrays(width: int, depth: int, residual: bool) -> GraphArrays:
    with torch.device("meta"):
        graph = ComputationalGraph.from_torch(
            Net(width, depth, residual), torch.empty(2, 3, 16, 16), method="trace"
        )
    return GraphArrays.from_graph(graph, spectrum=True)


@pytest.fixture(scope="module")
def networks() -> GraphSet:
    """Deeper is better, more so with residuals, whatever the width."""
    choices = [(w, d, r) for w in (16, 24, 32) for d in range(1, 8) for r in (False, True)]
    graphs = tuple(arrays(*choice) for choice in choices)
    accuracies = np.asarray([0.6 + 0.03 * d + 0.05 * r for _, d, r in choices])
    keys = tuple(str(choice) for choice in choices)
    return GraphSet("nb101", keys, graphs, accuracies, np.stack([g.size for g in graphs]))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of seconds."""
    monkeypatch.setattr(thesis, "_STEPS", 30)
    monkeypatch.setattr(thesis, "_COMPONENTS", 4)
    monkeypatch.setattr(thesis, "_EXPERT_EPOCHS", 200)
    monkeypatch.setattr(gennape, "_ENCODER_EPOCHS", 20)
    monkeypatch.setattr(gennape, "_CLUSTERS", 3)
    monkeypatch.setattr(gennape, "_HEAD_EPOCHS", 200)
    monkeypatch.setattr(k_gnn, "_EPOCHS", 60)


def test_the_registry_knows_every_file_by_its_name() -> None:
    names = list_baselines()
    assert set(names) >= {
        *("random", "flops", "parameters", "depth"),
        *("random_forest", "k_gnn", "gennape", "thesis"),
    }
    for name in names:
        baseline = get_baseline(name)
        assert baseline.name == name and baseline.title
    with pytest.raises(UserError, match="no baseline named 'forest': choose from depth, flops"):
        get_baseline("forest")


def test_sizes_and_chance_rank_without_labels(networks: GraphSet) -> None:
    for column, name in enumerate(("parameters", "flops", "depth")):
        assert get_baseline(name).score(networks.graphs).tolist() == networks.statistics[:, column].tolist()
    one, again, other = (get_baseline("random") for _ in range(3))
    one.fit([], 1), again.fit([], 1), other.fit([], 2)
    scores = [b.score(networks.graphs).tolist() for b in (one, again, other)]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_baseline_learns_repeats_itself_and_ranks_alone_as_in_company(
    name: str, networks: GraphSet, quick: None
) -> None:
    halves = [networks.subset(range(start, len(networks), 2)) for start in (0, 1)]
    first, again = get_baseline(name), get_baseline(name)
    stages: list[tuple[str, int, int]] = []
    with pytest.raises(RuntimeError, match="first"):
        first.score(networks.graphs)
    first.fit(halves, 0, lambda *at: stages.append(at))
    again.fit(halves, 0)
    scores = first.score(networks.graphs)
    assert scores.shape == (len(networks),) and scores.dtype == np.float64
    assert all(done <= total for _, done, total in stages)
    assert np.corrcoef(scores, networks.accuracies)[0, 1] > 0.8
    if first.predicts_accuracy:
        assert abs(scores - networks.accuracies).mean() < networks.accuracies.std()
    np.testing.assert_allclose(again.score(networks.graphs), scores, atol=1e-6)
    alone = np.concatenate([first.score([graph]) for graph in networks.graphs[:5]])
    np.testing.assert_allclose(alone, scores[:5], atol=1e-4)


def test_the_thesis_reads_scaled_sizes_and_nothing_it_does_not_name(networks: GraphSet) -> None:
    graph = networks.graphs[0]
    written = thesis._as_written(graph)
    assert written.sizes.shape == graph.sizes.shape and (written.categories == graph.categories).all()
    channels = thesis.SIZES.index("channels_out")
    assert written.sizes[:, channels].max() == pytest.approx(16 / 512)
    assert (written.sizes[:, thesis.SIZES.index("dilation")] == 0).all()


def test_nodes_are_scaled_as_gennape_scales_them() -> None:
    sizes = linear_sizes(arrays(24, 1, False), ("channels_out", "height_out"))
    first = sizes[1]  # the stem
    np.testing.assert_allclose(first, [24 / 512, 16 / 256], rtol=1e-5)


def test_a_batch_pools_each_graph_apart(networks: GraphSet) -> None:
    graphs = networks.graphs[:3]
    batch = NodeBatch.collate(graphs)
    assert (batch.edges[0] < batch.edges[1]).all()  # along the tensors only
    pooled = batch.pool(batch.sizes)
    for row, graph in zip(pooled, graphs, strict=True):
        np.testing.assert_allclose(row.numpy(), linear_sizes(graph).mean(axis=0), rtol=1e-5)


def test_statistics_count_paths() -> None:
    # input, stem, relu, then two residual blocks of conv and add, mean, dense, output
    row, plain = graph_statistics([arrays(16, 2, True), arrays(16, 2, False)])
    graph = arrays(16, 2, True)
    paths = row[-8:-3]
    nodes = len(graph)
    assert paths[0] == nodes  # one path visits all
    assert paths[1] == nodes - 2  # one skips both convolutions
    assert np.exp(paths[3]) == pytest.approx(4) and paths[2] == pytest.approx(nodes - 1)
    assert np.exp(plain[-5]) == pytest.approx(1)


def test_fuzzy_clusters_find_separate_groups() -> None:
    torch.manual_seed(0)
    points = torch.cat([torch.randn(50, 8), torch.randn(50, 8) + 20.0])
    clusters = FuzzyClusters.fit(points, 2, seed=0)
    memberships = clusters.memberships(points)
    assert torch.allclose(memberships.sum(dim=1), torch.ones(100))
    assert len(set(memberships[:50].argmax(dim=1).tolist())) == 1
    assert (memberships[:50].argmax(dim=1) != memberships[50:].argmax(dim=1)).all()
    at_centres = clusters.memberships(clusters.centres)
    assert (at_centres.diagonal() > 0.999).all()


def test_labels_are_standardised_over_all_sets(networks: GraphSet) -> None:
    half = replace(networks, accuracies=networks.accuracies - 0.2)
    labels = _fitting.Labels.of([networks, half])
    assert float(labels.values.mean()) == pytest.approx(0.0, abs=1e-5)
    both = np.concatenate([networks.accuracies, half.accuracies])
    np.testing.assert_allclose(labels.accuracies(labels.values.double().numpy()), both, atol=1e-6)
