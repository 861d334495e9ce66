"""The k-GNN that GENNAPE compares with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.encoders import GraphArrays, sum_messages
from nas_assistant.evaluation.baselines._base import Array, BaseBaseline, Progress
from nas_assistant.evaluation.baselines._fitting import Labels, all_graphs, batches, descend
from nas_assistant.evaluation.baselines._nodes import GennapeNodes, NodeBatch
from nas_assistant.training import GraphSet

_WIDTH = 32
_LAYERS = 6
_EPOCHS = 40
_BATCH = 32
_RATE = 1e-3


class GraphConvolutions(nn.Module):
    """Six layers of the 1-GNN (Morris et al. 2019, "Weisfeiler and Leman Go Neural", eq. 3), tanh between.

    Shapes:
        - nodes: ``(nodes, width)``, edges: ``(2, edges)``
        - output: ``(nodes, width)``
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(_LAYERS))
        self.others = nn.ModuleList(nn.Linear(width, width) for _ in range(_LAYERS))

    def forward(self, nodes: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Pass messages along the edges."""
        for own, others in zip(self.own, self.others, strict=True):
            nodes = torch.tanh(own(nodes) + others(sum_messages(nodes, edges)))
        return nodes


class _Regressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = GennapeNodes(_WIDTH)
        self.convolutions = GraphConvolutions(_WIDTH)
        self.head = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1)
        )

    def forward(self, batch: NodeBatch) -> torch.Tensor:
        nodes = self.convolutions(self.embed(batch), batch.edges)
        return torch.as_tensor(self.head(batch.pool(nodes)).squeeze(1))


class KGNN(BaseBaseline):
    """Graph convolutions, mean pooling and an MLP, fitted by squared error (Mills et al. 2023, section 5)."""

    name = "k_gnn"
    title = "k-GNN (Morris et al. 2019)"
    learns = True
    predicts_accuracy = True

    def __init__(self) -> None:
        self._model: _Regressor | None = None
        self._labels: Labels | None = None

    def fit(self, sets: Sequence[GraphSet], seed: int, progress: Progress | None = None) -> None:
        """Train for 40 epochs."""
        torch.manual_seed(seed)
        model, labels, graphs = _Regressor(), Labels.of(sets), all_graphs(sets)

        def loss(chosen: torch.Tensor) -> torch.Tensor:
            batch = NodeBatch.collate([graphs[i] for i in chosen.tolist()])
            return F.mse_loss(model(batch), labels.values[chosen])

        descend(
            model,
            loss,
            len(graphs),
            stage="k-GNN",
            epochs=_EPOCHS,
            batch=_BATCH,
            rate=_RATE,
            seed=seed,
            progress=progress,
        )
        self._model, self._labels = model, labels

    def score(self, graphs: Sequence[GraphArrays]) -> Array:
        """Predicted accuracies, ``(graphs,)``."""
        if self._model is None or self._labels is None:
            raise RuntimeError("fit the k-GNN first")
        values = np.zeros(len(graphs))
        with torch.inference_mode():
            for indices in batches(graphs):
                batch = NodeBatch.collate([graphs[i] for i in indices])
                values[indices] = self._model(batch).double().numpy()
        return self._labels.accuracies(values)
