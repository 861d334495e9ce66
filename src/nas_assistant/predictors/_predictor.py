"""The predictor: graph, vector, mixture, experts, prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from nas_assistant.encoders import (
    CATEGORIES,
    SIZES,
    EncoderConfig,
    GraphArrays,
    GraphEncoder,
    embed_arrays,
    laplacian_spectrum,
)
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors._adapter import Adapter
from nas_assistant.predictors._calibration import Calibration, Widths
from nas_assistant.predictors._checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from nas_assistant.predictors._experts import MixtureOfExperts
from nas_assistant.predictors._mixture import GaussianMixture
from nas_assistant.predictors._prediction import Prediction
from nas_assistant.predictors._structure_prior import StructurePrior
from nas_assistant.predictors._target import from_target, to_target
from nas_assistant.predictors._vocabulary import Vocabulary, familiar_share

_DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

_TRIAL = GraphArrays(
    categories=np.zeros((2, len(CATEGORIES)), dtype=np.uint8),
    sizes=np.zeros((2, len(SIZES)), dtype=np.float32),
    edges=np.asarray([[0], [1]], dtype=np.int32),
    spectrum=laplacian_spectrum(np.asarray([[0], [1]], dtype=np.int32), 2),
    size=np.zeros(3),
)
"""Two nodes for a checkpoint to predict, which shows whether its parts go together."""


@dataclass(frozen=True)
class Predictor:
    """Predicts accuracies from graphs alone (Mishra 2023, section 2.1).

    Attributes:
        encoder: Graph to vector, in evaluation mode.
        mixture: Soft clusters of the vectors.
        experts: Vector and posterior to accuracy, in evaluation mode.
        prior: Structure to accuracy.
        vocabulary: Kinds of nodes that the training showed.
        calibration: Half-widths of the intervals, and the experts' share of a prediction.
        metadata: What the checkpoint says of its data, seed, metrics and code version.
        adapter: What was learned from a user's own networks.
    """

    encoder: GraphEncoder
    mixture: GaussianMixture
    experts: MixtureOfExperts
    prior: StructurePrior
    vocabulary: Vocabulary
    calibration: Calibration
    metadata: dict[str, Any] = field(default_factory=dict)
    adapter: Adapter | None = None

    @classmethod
    def load(cls, path: str | Path | None = None) -> Predictor:
        """Load the shipped checkpoint, one shipped under a name, or a checkpoint folder.

        Raises:
            UserError: There is none, or it is damaged or foreign.
        """
        folder = find_checkpoint(path)
        tensors, metadata = load_checkpoint(folder)
        try:
            encoder = GraphEncoder(EncoderConfig(**metadata["encoder"]))
            encoder.load_state_dict(_part(tensors, "encoder."))
            means, log_weights = tensors["mixture.means"], tensors["mixture.log_weights"]
            mixture = GaussianMixture(means.float(), log_weights.float(), float(metadata["variance"]))
            weights = _part(tensors, "experts.")
            hidden = int(metadata["hidden"])
            shared = weights["trunk.3.weight"].shape[0] == hidden
            experts = MixtureOfExperts(encoder.width, len(means), hidden, shared=shared)
            experts.load_state_dict(weights)
            prior = StructurePrior.from_json(metadata["prior"])
            vocabulary = Vocabulary.from_json(metadata["vocabulary"])
            calibration = Calibration.from_json(metadata["calibration"])
            own = metadata.get("adapter")
            adapter = Adapter.from_parts(own, _part(tensors, "adapter.")) if own else None
            predictor = cls(
                encoder.eval(), mixture, experts.eval(), prior, vocabulary, calibration, metadata, adapter
            )
            (tried,) = predictor.predict_arrays([_TRIAL])
            if not all(map(math.isfinite, (tried.accuracy, *tried.interval, tried.familiarity))):
                raise ValueError("what it predicts is not a number")
        except _DAMAGE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{folder}: the checkpoint does not fit this version ({reason})") from error
        return predictor

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint folder that :meth:`load` reads."""
        tensors = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        tensors.update({f"experts.{name}": value for name, value in self.experts.state_dict().items()})
        tensors.update({"mixture.means": self.mixture.means, "mixture.log_weights": self.mixture.log_weights})
        metadata = {
            **self.metadata,
            "encoder": self.encoder.config.to_json(),
            "variance": self.mixture.variance,
            "hidden": self.experts.output.in_features,
            "prior": self.prior.to_json(),
            "vocabulary": self.vocabulary.to_json(),
            "calibration": self.calibration.to_json(),
            "adapter": self.adapter.to_json() if self.adapter else None,
        }
        if self.adapter:
            tensors.update({f"adapter.{name}": value for name, value in self.adapter.tensors().items()})
        save_checkpoint(Path(folder), tensors, metadata)

    def predict(self, graph: ComputationalGraph) -> Prediction:
        """Predict one network."""
        return self.predict_many([graph])[0]

    def predict_many(self, graphs: Sequence[ComputationalGraph]) -> list[Prediction]:
        """Predict several networks in batches, in the same order."""
        return self.predict_arrays([GraphArrays.from_graph(graph) for graph in graphs])

    def predict_arrays(self, arrays: Sequence[GraphArrays]) -> list[Prediction]:
        """Predict networks whose graphs are arrays already, in the same order."""
        if not arrays:
            return []
        targets, familiarities, unseen, posteriors = self._judge(arrays)
        if self.adapter is not None:
            targets, familiarities, unseen = self.adapter.correct(arrays, targets, familiarities)
        halves = [self._widths(familiarity).accuracy for familiarity in familiarities.tolist()]
        ends = torch.from_numpy(targets[:, None] + np.outer(halves, (-1.0, 0.0, 1.0)))
        return [
            Prediction(accuracy, (low, high), *rest)
            for (low, accuracy, high), *rest in zip(
                from_target(ends).tolist(), familiarities.tolist(), posteriors, unseen, strict=True
            )
        ]

    def base_targets(self, arrays: Sequence[GraphArrays]) -> npt.NDArray[np.float64]:
        """What the predictor says without its adapter, ``(graphs,)``, on the scale of :func:`to_target`."""
        return self._judge(arrays)[0]

    def expert_targets(self, arrays: Sequence[GraphArrays]) -> npt.NDArray[np.float64]:
        """What the experts say without the structure, ``(graphs,)``, on the scale of :func:`to_target`."""
        return self._ask_experts(arrays)[0]

    def predict_masked(
        self, graph: ComputationalGraph, groups: Sequence[Sequence[int]]
    ) -> npt.NDArray[np.float64]:
        """Predicted accuracies with each group of nodes replaced by dummies, in one pass.

        Args:
            graph: The whole network.
            groups: Ids of the nodes to mask together.

        Returns:
            ``(groups,)``, in [0, 1].
        """
        whole = GraphArrays.from_graph(graph)
        masked = self.predict_arrays([whole.masked(nodes) for nodes in groups])
        return np.asarray([prediction.accuracy for prediction in masked])

    def embed(self, graphs: Sequence[ComputationalGraph]) -> npt.NDArray[np.float32]:
        """Vectors of networks, ``(graphs, 512)``."""
        return self.embed_arrays([GraphArrays.from_graph(graph) for graph in graphs])

    def embed_arrays(self, arrays: Sequence[GraphArrays]) -> npt.NDArray[np.float32]:
        """Vectors of networks whose graphs are arrays already, ``(graphs, 512)``."""
        return embed_arrays(self.encoder, arrays)

    def gain_interval(self, before: Prediction, after: Prediction) -> tuple[float, float]:
        """Where nine in ten gains lie, for two networks as familiar as these.

        Errors of two networks of one family tend to cancel. The half-width is that of pairs drawn at random,
        so it errs on the wide side; it is that of the less familiar of the two.
        """
        half = self._widths(min(before.familiarity, after.familiarity)).gain
        target = float(to_target(torch.tensor(after.accuracy, dtype=torch.float64)))
        low, high = from_target(torch.tensor([target - half, target + half], dtype=torch.float64)).tolist()
        return (low - before.accuracy, high - before.accuracy)

    def _judge(self, arrays: Sequence[GraphArrays]) -> _Judgement:
        """Experts and structure, in shares by the familiarity."""
        known, vectors, posterior = self._ask_experts(arrays)
        expected = self.prior(np.stack([one.structure for one in arrays]))
        unseen = [self.vocabulary.unseen(one) for one in arrays]
        percentiles = self.calibration.percentile(self.mixture.log_likelihood(vectors).numpy())
        told = np.asarray([familiar_share(share) for _, share in unseen])
        familiarities = percentiles * told
        shares = np.asarray([self.calibration.widths(value).share for value in familiarities.tolist()])
        # Of operations that they never saw, the experts know nothing.
        targets = expected + shares * told * (known - expected)
        return targets, familiarities, [names for names, _ in unseen], [tuple(p) for p in posterior.tolist()]

    def _ask_experts(
        self, arrays: Sequence[GraphArrays]
    ) -> tuple[npt.NDArray[np.float64], torch.Tensor, torch.Tensor]:
        vectors = torch.from_numpy(self.embed_arrays(arrays))
        with torch.no_grad():
            posterior = self.mixture.posterior(vectors)
            return self.experts(vectors, posterior).double().numpy(), vectors, posterior

    def _widths(self, familiarity: float) -> Widths:
        calibration = self.adapter.calibration(self.calibration) if self.adapter else self.calibration
        return calibration.widths(familiarity)


_Judgement: TypeAlias = tuple[
    npt.NDArray[np.float64], npt.NDArray[np.float64], list[tuple[str, ...]], list[tuple[float, ...]]
]
"""Targets, familiarities, names of unseen kinds of nodes, and posteriors of networks."""


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
