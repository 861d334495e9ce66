"""A predictor after GENNAPE, the thesis's forerunner."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.encoders import GraphArrays, NodeAttention, contrastive_loss, spectral_soft_labels
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.evaluation.baselines._clusters import FuzzyClusters
from nas_assistant.evaluation.baselines._fitting import Labels, all_graphs, batches, descend
from nas_assistant.evaluation.baselines._nodes import GennapeNodes, NodeBatch
from nas_assistant.evaluation.baselines.k_gnn import GraphConvolutions
from nas_assistant.training import GraphSet

_NODE_WIDTH = 64
_WIDTH = 128
_DROPOUT = 0.1
_TEMPERATURE = 0.1
_LABEL_SCALE = 0.01
_CLUSTERS = 12
_ENCODER_EPOCHS = 4
_HEAD_EPOCHS = 60


class _Encoder(nn.Module):
    """Graph convolutions beside attention among all nodes, mean pooling (Mills et al. 2023, section 4.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = GennapeNodes(_NODE_WIDTH)
        self.convolutions = GraphConvolutions(_NODE_WIDTH)
        self.attention = NodeAttention(_NODE_WIDTH, 4, _DROPOUT)
        self.output = nn.Linear(2 * _NODE_WIDTH, _WIDTH)

    def forward(self, batch: NodeBatch) -> torch.Tensor:
        """Vectors, ``(graphs, 128)``."""
        nodes = F.dropout(self.embed(batch), _DROPOUT, self.training)
        both = [self.convolutions(nodes, batch.edges), self.attention(nodes, batch.graph)]
        return torch.as_tensor(self.output(batch.pool(torch.cat(both, dim=1))))


class _Contrastive(nn.Module):
    """The encoder and the projection that only its training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.projection = nn.Sequential(nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH // 2))

    def loss(self, batch: NodeBatch) -> torch.Tensor:
        """Contrastive loss of two views of every graph, which dropout alone tells apart."""
        views = torch.cat([self.encoder(batch) for _ in range(2)])
        labels = spectral_soft_labels(batch.spectra.repeat(2, 1), _LABEL_SCALE)
        return contrastive_loss(self.projection(views), labels, _TEMPERATURE)


class _Heads(nn.Module):
    """One MLP a cluster, weighted by membership (Mills et al. 2023, section 4.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(_WIDTH, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
            for _ in range(_CLUSTERS)
        )

    def forward(self, vectors: torch.Tensor, memberships: torch.Tensor) -> torch.Tensor:
        outputs = torch.cat([head(vectors) for head in self.heads], dim=1)
        return (outputs * memberships).sum(dim=1)


class Gennape(BaseBaseline):
    """Contrastive encoder with spectral soft labels, fuzzy C-means, one MLP a cluster, squared error.

    Mills et al. 2023, "GENNAPE: Towards Generalized Neural Architecture Performance Estimators", without the
    FLOPs and the pairwise classifiers that the paper adds to rank.
    """

    name = "gennape"
    title = "GENNAPE's method (Mills et al. 2023)"
    learns = True
    predicts_accuracy = True

    def __init__(self) -> None:
        self._fitted: tuple[_Encoder, torch.Tensor, torch.Tensor, FuzzyClusters, _Heads, Labels] | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Train the encoder without labels, cluster its vectors, train the heads on them."""
        torch.manual_seed(seed)
        model, labels, graphs = _Contrastive(), Labels.of(sets), all_graphs(sets)
        descend(
            model,
            lambda chosen: model.loss(NodeBatch.collate([graphs[i] for i in chosen.tolist()])),
            len(graphs),
            stage="contrastive",
            epochs=_ENCODER_EPOCHS,
            batch=64,
            rate=1e-3,
            seed=seed,
            progress=progress,
        )
        raw = _vectors(model.encoder, graphs)
        mean, deviation = raw.mean(dim=0), raw.std(dim=0).clamp_min(1e-6)
        vectors = (raw - mean) / deviation
        clusters = FuzzyClusters.fit(vectors, _CLUSTERS, seed=seed)
        memberships, heads = clusters.memberships(vectors), _Heads()
        descend(
            heads,
            lambda chosen: F.mse_loss(heads(vectors[chosen], memberships[chosen]), labels.values[chosen]),
            len(graphs),
            stage="heads",
            epochs=_HEAD_EPOCHS,
            batch=128,
            rate=1e-3,
            seed=seed,
            progress=progress,
        )
        self._fitted = (model.encoder, mean, deviation, clusters, heads, labels)

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        if self._fitted is None:
            raise RuntimeError("fit GENNAPE first")
        encoder, mean, deviation, clusters, heads, labels = self._fitted
        with torch.inference_mode():
            vectors = (_vectors(encoder, graphs) - mean) / deviation
            return labels.accuracies(heads(vectors, clusters.memberships(vectors)).double().numpy())


def _vectors(encoder: _Encoder, graphs: Sequence[GraphArrays]) -> torch.Tensor:
    vectors = torch.zeros(len(graphs), _WIDTH)
    with torch.inference_mode():
        for indices in batches(graphs):
            vectors[indices] = encoder(NodeBatch.collate([graphs[i] for i in indices]))
    return vectors
