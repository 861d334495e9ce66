"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_AFTER_THE_ENCODER = {
    "components",
    "shared_experts",
    "adopt_kin",
    "unfamiliar_share",
    "interval_families",
    "regressor_epochs",
}


@dataclass(frozen=True)
class TrainingConfig:
    """How the predictor is trained (Mishra 2023, sections 2.1.2 to 2.1.4).

    Attributes:
        families: Families whose labels are learned; each counts alike, however many networks it has.
        networks: Most networks of a family to use, those held out included.
        held_out: Networks of a family that no step sees, at most a fifth of them, less those with the graph
            of another that is learned; half calibrate the intervals, half are tested on.
        seed: Of the split, the initial weights, the dropout and the order.
        sample_seed: Of the choice of the networks; runs that share it share their graphs.
        encoder_steps: Steps of the unsupervised training.
        supervised_steps: Steps of the encoder's fine-tuning on labels; 0 leaves it unsupervised.
        batch: Graphs of one step; without labels each is seen as two views.
        node_dropout: Share of the nodes that a step replaces by dummies.
        contrastive: Weight of the contrastive loss, ``beta_0``.
        reconstruction: Weight of the reconstruction loss, ``beta_1``.
        temperatures: Of the contrastive loss, at the start and at the end.
        label_scale: Spectral distance at which a soft label falls to ``1/e``.
        ranking: Weight of the pairwise ranking loss beside the error's.
        widen: Share of the graphs of a labelled step whose widths are scaled.
        learning_rate: Highest rate of either training; a cosine brings it to 0.
        attention: Whether the encoder has its attention branch.
        components: Components of the Gaussian mixture, and experts; 1 leaves a plain regressor.
        shared_experts: Whether the experts share their weight matrices.
        adopt_kin: Whether an operation never seen takes the embedding of its nearest relative.
        penalty: Of the structure prior's slopes.
        unfamiliar_share: Weight of the experts against the structure for a network of another family whose
            operations they know.
        interval_families: Families whose labels help to set the intervals of unfamiliar networks, and nothing
            else. Families that are learned are not counted here: each does so predicted from the others.
        regressor_epochs: Passes of the experts over the labelled vectors.
        save_every: Steps between two saved states.
    """

    families: tuple[str, ...] = ("nb101",)
    networks: int = 10_500
    held_out: int = 500
    seed: int = 0
    sample_seed: int = 0
    encoder_steps: int = 100
    supervised_steps: int = 500
    batch: int = 64
    node_dropout: float = 0.05
    contrastive: float = 1.0
    reconstruction: float = 0.1
    temperatures: tuple[float, float] = (0.35, 0.05)
    label_scale: float = 0.01
    ranking: float = 0.5
    widen: float = 0.5
    learning_rate: float = 1e-3
    attention: bool = True
    components: int = 50
    shared_experts: bool = True
    adopt_kin: bool = True
    penalty: float = 2.0
    unfamiliar_share: float = 0.3
    interval_families: tuple[str, ...] = ("channel_resnet", "nb301")
    regressor_epochs: int = 60
    save_every: int = 25

    def encoder_settings(self) -> dict[str, Any]:
        """What the encoder depends on: all but the settings of what is fitted to its vectors."""
        return {name: value for name, value in self.to_json().items() if name not in _AFTER_THE_ENCODER}

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        listed = {name: list(value) for name, value in asdict(self).items() if isinstance(value, tuple)}
        return asdict(self) | listed
