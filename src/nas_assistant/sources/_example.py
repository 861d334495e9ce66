"""An example batch, whatever it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


IMAGE_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class Example:
    """The first samples of a data set.

    Attributes:
        values: Array of shape ``(batch, ...)``.
        channels_last: Whether images are ``(batch, H, W, C)``.
    """

    values: np.ndarray[Any, Any]
    channels_last: bool = False

    def channels_first(self) -> np.ndarray[Any, Any]:
        """The batch as PyTorch takes it."""
        import numpy as np

        if self.channels_last and self.values.ndim == 4:
            return np.ascontiguousarray(self.values.transpose(0, 3, 1, 2))
        return self.values

    def as_channels_last(self) -> np.ndarray[Any, Any]:
        """The batch as Keras takes it."""
        import numpy as np

        if not self.channels_last and self.values.ndim == 4:
            return np.ascontiguousarray(self.values.transpose(0, 2, 3, 1))
        return self.values


def looks_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether a batch of images, in arrays that do not say so, has its channels last."""
    return len(shape) == 4 and shape[1] not in IMAGE_CHANNELS and shape[3] in IMAGE_CHANNELS


def to_channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``H, W, C`` as ``C, H, W``, also with a depth before; other shapes as they are."""
    return (shape[-1], *shape[:-1]) if len(shape) in (3, 4) else shape


def shape_text(shape: tuple[int | None, ...]) -> str:
    """A shape as it is written after ``--input-shape``."""
    return ",".join("?" if size is None else str(size) for size in shape) or "()"
