"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingConfig:
    """How the predictor is trained (Mishra 2023, sections 2.1.2 to 2.1.4).

    Attributes:
        family: Family whose labels are learned.
        networks: Networks of the family to use, those held out included.
        held_out: Networks that no step sees; half calibrate the intervals, half are tested on.
        seed: Of the split, the initial weights, the dropout and the order.
        encoder_steps: Steps of the unsupervised training.
        supervised_steps: Steps of the encoder's fine-tuning on labels; 0 leaves it unsupervised.
        width_octave: What a doubling of all widths adds to ``-log(error)``. From the narrowest to the widest
            network of Channel-Bench-Macro, two octaves, the error falls from 8.30 % to 6.38 % (ResNet) and
            from 10.71 % to 8.34 % (MobileNet): 0.13 an octave in either.
        batch: Graphs of one step; without labels each is seen as two views.
        node_dropout: Share of the nodes that a step replaces by dummies.
        contrastive: Weight of the contrastive loss, ``beta_0``.
        reconstruction: Weight of the reconstruction loss, ``beta_1``.
        label_scale: Spectral distance at which a soft label falls to ``1/e``.
        learning_rate: Highest rate of either training; a cosine brings it to 0.
        components: Components of the Gaussian mixture, and experts.
        interval_families: Families whose labels set the width of the intervals of unfamiliar networks, and
            nothing else.
        regressor_epochs: Passes of the experts over the labelled vectors.
        save_every: Steps between two saved states.
    """

    family: str = "nb101"
    networks: int = 10_500
    held_out: int = 500
    seed: int = 0
    encoder_steps: int = 150
    supervised_steps: int = 800
    width_octave: float = 0.13
    batch: int = 64
    node_dropout: float = 0.05
    contrastive: float = 1.0
    reconstruction: float = 0.1
    label_scale: float = 0.01
    learning_rate: float = 1e-3
    components: int = 50
    interval_families: tuple[str, ...] = ("channel_resnet", "nb301")
    regressor_epochs: int = 60
    save_every: int = 25

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "interval_families": list(self.interval_families)}
