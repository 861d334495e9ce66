"""What a graph is like in detail: the numbers that a correction for a user's own networks is learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas_assistant.encoders import CATEGORIES, CATEGORY_SIZES, SIZES, GraphArrays

Array = npt.NDArray[np.float64]

_LEVELS = 6
_KERNELS = (1, 3, 5, 7)
_PARTS = 4
_KERNEL = CATEGORIES.index("kernel_height")
_CHANNELS, _HEIGHT, _WEIGHT = (SIZES.index(name) for name in ("channels_out", "height_out", "weight"))
_CHANNEL_OCTAVES, _HEIGHT_OCTAVES = 9, 8


def traits(arrays: Sequence[GraphArrays]) -> Array:
    """Statistics of graphs that need no sign, as their effect is learned from the networks at hand.

    Those of :data:`STRUCTURE`; how often every operation occurs; of the layers with a kernel, their number
    and channels at each resolution, by the fraction of the image, the channels by quarters of the network,
    and how often each kernel occurs; parameters, FLOPs, depth and nodes. Counts and sizes are base-2
    logarithms.

    Returns:
        ``(graphs, traits)``.
    """
    return np.stack([_traits(one) for one in arrays])


def _traits(arrays: GraphArrays) -> Array:
    counts = np.bincount(arrays.categories[:, 0], minlength=CATEGORY_SIZES[0])
    channels = arrays.sizes[:, _CHANNELS].astype(np.float64) * _CHANNEL_OCTAVES
    heights = arrays.sizes[:, _HEIGHT].astype(np.float64) * _HEIGHT_OCTAVES
    kernels = arrays.categories[:, _KERNEL]
    layers = np.flatnonzero((kernels > 0) & (arrays.sizes[:, _WEIGHT] > 0))
    image = heights[0] if len(heights) else 0.0
    levels = np.clip(np.round(image - heights[layers]), 0, _LEVELS - 1).astype(np.int64)
    wide, kernels = channels[layers], kernels[layers]
    parts = np.array_split(wide, _PARTS)
    return np.concatenate(
        [
            arrays.structure,
            np.log2(1.0 + counts),
            np.log2(1.0 + np.bincount(levels, minlength=_LEVELS)),
            np.log2(1.0 + np.bincount(levels, 2.0**wide, minlength=_LEVELS)),
            [part.mean() if len(part) else 0.0 for part in parts],
            [wide.max(), wide.min()] if len(wide) else [0.0, 0.0],
            [np.log2(1.0 + (kernels == size).sum()) for size in _KERNELS],
            np.log2(1.0 + np.append(arrays.size, len(arrays))),
        ]
    )
