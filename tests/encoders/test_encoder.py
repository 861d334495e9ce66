"""The encoder, its features and its losses."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from nas_assistant.encoders import (
    GraphArrays,
    GraphBatch,
    GraphEncoder,
    adopt_kin,
    contrastive_loss,
    embed_arrays,
    graph_size,
    laplacian_spectrum,
    spectral_soft_labels,
    temperature_at,
    widen_batch,
)
from nas_assistant.graphs import ComputationalGraph, Operation


def network(width: int, *, residual: bool = False) -> ComputationalGraph:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, width, 3, padding=1)
            self.norm = nn.BatchNorm2d(width)
            self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.head = nn.Linear(width, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.norm(self.first(x)))
            y = self.second(x)
            return self.head((x + y if residual else y).mean((2, 3)))

    return ComputationalGraph.from_torch(Net(), torch.zeros(2, 3, 16, 16))


@pytest.fixture(scope="module")
def encoder() -> GraphEncoder:
    torch.manual_seed(0)
    return GraphEncoder().eval()


def test_a_graph_becomes_512_numbers_whatever_its_neighbours_in_the_batch(encoder: GraphEncoder) -> None:
    arrays = [GraphArrays.from_graph(network(w, residual=r)) for w in (16, 32) for r in (False, True)]
    together = embed_arrays(encoder, arrays)
    alone = np.concatenate([embed_arrays(encoder, [one]) for one in arrays])
    assert together.shape == (4, 512)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert len({tuple(np.round(row, 4)) for row in together}) == 4


def test_the_order_of_nodes_does_not_matter(encoder: GraphEncoder) -> None:
    arrays = GraphArrays.from_graph(network(16, residual=True))
    order = np.random.default_rng(0).permutation(len(arrays))
    place = np.argsort(order).astype(np.int32)
    shuffled = GraphArrays(
        arrays.categories[order], arrays.sizes[order], place[arrays.edges], arrays.spectrum, arrays.size
    )
    np.testing.assert_allclose(embed_arrays(encoder, [arrays]), embed_arrays(encoder, [shuffled]), atol=1e-5)


def test_masking_changes_attributes_and_keeps_edges() -> None:
    arrays = GraphArrays.from_graph(network(16))
    masked = arrays.masked([1, 2])
    assert (masked.edges == arrays.edges).all()
    assert (masked.sizes[[1, 2]] == 0).all() and (masked.categories[1] == masked.categories[2]).all()
    assert (masked.categories[[0, 3]] == arrays.categories[[0, 3]]).all()
    assert not (masked.categories[1] == arrays.categories[1]).all()


def test_the_spectrum_is_that_of_the_normalised_laplacian() -> None:
    graph = network(16, residual=True)
    undirected = nx.Graph(list(graph.edges))
    expected = np.sort(nx.normalized_laplacian_spectrum(undirected))[:21]
    found = laplacian_spectrum(np.asarray(graph.edges, dtype=np.int32).T, len(graph))
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-5)
    assert (found[len(expected) :] == 0).all()


def test_widening_doubles_hidden_channels_and_leaves_input_and_classes() -> None:
    narrow, wide = (GraphArrays.from_graph(network(w)) for w in (32, 64))
    sizes = widen_batch(GraphBatch.collate([narrow]), torch.tensor([1.0])).numpy()
    np.testing.assert_allclose(sizes, wide.sizes, atol=1e-6)


def test_soft_labels_prefer_the_other_view_and_then_near_spectra() -> None:
    spectra = torch.tensor([[0.0], [0.0], [0.1], [1.0]])
    labels = spectral_soft_labels(spectra, 0.1)
    assert torch.allclose(labels.sum(1), torch.ones(4)) and (labels.diagonal() == 0).all()
    assert labels[0, 1] > labels[0, 2] > labels[0, 3]
    printed = spectral_soft_labels(spectra, 0.1, printed_form=True)
    assert printed[0, 3] > printed[0, 2] > printed[0, 1]


def test_the_contrastive_loss_equals_its_formula() -> None:
    torch.manual_seed(0)
    x, labels = torch.randn(5, 8), spectral_soft_labels(torch.randn(5, 21), 1.0)
    unit = x / x.norm(dim=1, keepdim=True)
    expected = 0.0
    for i in range(5):
        others = [r for r in range(5) if r != i]
        total = sum(float(torch.exp(unit[i] @ unit[r] / 0.2)) for r in others)
        expected -= sum(
            float(labels[i, k]) * float(torch.log(torch.exp(unit[i] @ unit[k] / 0.2) / total)) for k in others
        )
    assert float(contrastive_loss(x, labels, 0.2)) == pytest.approx(expected / 5, rel=1e-5)


def test_the_temperature_falls_linearly() -> None:
    assert [temperature_at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.35, 0.2, 0.05])


def test_unseen_operations_take_the_embedding_of_their_kin() -> None:
    torch.manual_seed(1)
    encoder, order = GraphEncoder(), list(Operation)
    plain = GraphArrays.from_graph(network(16))
    adopt_kin(encoder, [plain, plain.masked([1])])
    table = encoder.embed.categories[0].weight
    relu, gelu, dropout = (order.index(op) for op in (Operation.RELU, Operation.GELU, Operation.DROPOUT))
    assert torch.equal(table[gelu], table[relu])
    assert torch.equal(table[dropout], table[len(order)])
    assert not torch.equal(table[order.index(Operation.CONV)], table[relu])
    kernels = encoder.embed.categories[1].weight
    assert torch.equal(kernels[7], kernels[3]) and not torch.equal(kernels[3], kernels[0])


def test_size_counts_parameters_flops_and_depth() -> None:
    graph = network(16)
    assert graph_size(graph).tolist() == [graph.parameters, graph.flops, 3]
