"""Some networks of the predictor's training, kept beside the checkpoint as the background of the map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nas_assistant._files import replacing
from nas_assistant.errors import UserError

FILE = "map.safetensors"
_FIELDS = ("mean", "basis", "points", "accuracies")


@dataclass(frozen=True)
class Background:
    """Networks in the principal components of the encoder's vectors; t-SNE works on these too.

    Attributes:
        mean: Of the training vectors, ``(width,)``.
        basis: Principal directions, ``(components, width)``.
        points: The networks, ``(networks, components)``.
        accuracies: Measured, ``(networks,)``.
    """

    mean: npt.NDArray[Any]
    basis: npt.NDArray[Any]
    points: npt.NDArray[Any]
    accuracies: npt.NDArray[Any]

    @classmethod
    def fit(
        cls,
        vectors: npt.NDArray[Any],
        accuracies: npt.NDArray[Any],
        *,
        networks: int = 300,
        components: int = 24,
        seed: int = 0,
    ) -> Background:
        """Draw networks at random and find the principal directions of all.

        Args:
            vectors: Of the training networks, ``(networks, width)``.
            accuracies: Measured, ``(networks,)``.
            networks: How many to keep.
            components: How many directions to keep.
            seed: Of the draw.
        """
        mean = vectors.mean(axis=0)
        _, directions = np.linalg.eigh(np.cov(vectors - mean, rowvar=False))
        basis = directions[:, ::-1][:, :components].T
        count = min(networks, len(vectors))
        chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))
        return cls(mean, basis, (vectors[chosen] - mean) @ basis.T, np.asarray(accuracies)[chosen])

    def place(self, vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Vectors ``(networks, width)`` in the components of the background, ``(networks, components)``."""
        return np.asarray((vectors - self.mean) @ self.basis.T)

    def save(self, folder: Path) -> None:
        """Write it beside a checkpoint, in half precision."""
        arrays = {name: np.ascontiguousarray(getattr(self, name), dtype=np.float16) for name in _FIELDS}
        with replacing(folder / FILE) as partial:
            save_file(arrays, partial)

    @classmethod
    def load(cls, folder: Path) -> Background | None:
        """Read it, or None where the checkpoint has none.

        Raises:
            UserError: The file is damaged.
        """
        if not (folder / FILE).is_file():
            return None
        try:
            arrays = load_file(folder / FILE)
            return cls(*(arrays[name].astype(np.float32) for name in _FIELDS))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UserError(f"{folder / FILE}: damaged ({error}); remove it or train again") from error
