"""How both models are trained: the same for all that are compared."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from nas_assistant.errors import UserError

AUGMENTATIONS = ("auto", "none", "crop", "flip", "crop+flip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training: AdamW under a linear warm-up and a cosine, cross-entropy, the last epoch counts.

    Attributes:
        epochs: Passes over the training images; the schedule ends with them.
        train_images: Most images to train on, each class by its share.
        val_images: Most images to measure accuracy on, likewise; never trained on.
        batch_size: Images a step.
        learning_rate: At its highest.
        weight_decay: Decoupled (Loshchilov and Hutter 2019).
        augment: ``none``, ``crop`` (shifted by up to an eighth), ``flip`` (left to right), ``crop+flip``, or
            ``auto``: both for colour images, ``crop`` for grey ones, nothing for what is no image.
    """

    epochs: int = 10
    train_images: int = 10_000
    val_images: int = 5_000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 5e-2
    augment: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "train_images", "val_images", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise UserError(f"--learning-rate {self.learning_rate:g}: more than 0")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise UserError(f"--weight-decay {self.weight_decay:g}: not less than 0")
        if self.augment not in AUGMENTATIONS:
            raise UserError(f"--augment {self.augment}: choose one of {', '.join(AUGMENTATIONS)}")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return dataclasses.asdict(self)
