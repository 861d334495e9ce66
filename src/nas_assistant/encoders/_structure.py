"""Statistics of a graph that mean the same in any family, and whose effect has a known sign.

All are logarithms, shares, or lengths relative to the image. Lengths are those of paths from input to output;
an expected length weights the branches of a sum or a concatenation by the variance that they carry at
initialisation, as He et al. 2015 ("Delving Deep into Rectifiers", section 2.2) propagate it. A residual
network is then as deep as its signal's way is long on average (Veit et al. 2016, "Residual Networks Behave
Like Ensembles of Relatively Shallow Networks").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Operation

if TYPE_CHECKING:
    from nas_assistant.encoders._features import GraphArrays

STRUCTURE: dict[str, int] = {
    "macs_eighth": 1,
    "macs_quarter": 1,
    "parameters_eighth": 1,
    "parameters_quarter": 1,
    "pools": -1,
    "smoothness": -1,
    "detail": 1,
    "shortcut": 1,
    "spatial_share": 1,
    "spatial_convolutions": 1,
    "convolutions": -1,
    "excess": -1,
    "shortest_excess": -1,
    "mean_excess": -1,
}
"""Statistics and the sign of their effect on accuracy, all else equal.

- ``macs_eighth``, ``macs_quarter``: ``log2 sum(MACs ** a)`` over the layers with weights. At a = 0 it counts
  layers, at a = 1 it is the FLOPs; in between, many layers count for more than one that is wide.
- ``parameters_eighth``, ``parameters_quarter``: the same of their parameters.
- ``pools``: expected number of pools on a path.
- ``smoothness``: correlation of neighbouring pixels that a natural image has left at the output: pools raise
  it, activations and strides lower it. ``detail``: ``log2(1 - smoothness)``.
- ``shortcut``: ``log2`` of the longest over the shortest path, in convolutions.
- ``spatial_share``: expected share of a path that are convolutions larger than 1x1;
  ``spatial_convolutions``: ``log2`` of their expected number.
- ``convolutions``: expected number of all convolutions on a path: of two networks of one size, that with the
  longer way is harder to train (He et al. 2016, "Deep Residual Learning", section 4.1).
- ``excess``, ``shortest_excess``, ``mean_excess``: width of the window that a path looks through, in images,
  beyond two, where it sees the whole image from any pixel: expected, of the narrowest path, and with all
  branches weighted alike.
"""

_INDEX = {op: index for index, op in enumerate(Operation)}
_CONVOLUTIONS = {_INDEX[op] for op in (Operation.CONV, Operation.CONV_TRANSPOSE, Operation.DEPTHWISE_CONV)}
_MATRICES = {_INDEX[op] for op in (Operation.DENSE, Operation.ATTENTION, Operation.RECURRENT)}
_NORMALISATIONS = {_INDEX[op] for op in NORMALISATIONS}
_POOLS = {_INDEX[Operation.AVG_POOL], _INDEX[Operation.MAX_POOL]}
_GATES = {Operation.SIGMOID, Operation.HARD_SIGMOID, Operation.SOFTMAX}
_ACTIVATIONS = {_INDEX[op] for op in ACTIVATIONS - _GATES}
_AVERAGE, _CONCAT, _MUL = _INDEX[Operation.AVG_POOL], _INDEX[Operation.CONCAT], _INDEX[Operation.MUL]
_OUTPUT = _INDEX[Operation.OUTPUT]

_NATURAL = 0.95
"""Correlation of neighbouring pixels of a natural image."""


@dataclass(slots=True)
class _Signal:
    """What has reached a node, over all paths to it.

    Attributes:
        variance: Of its activations; branches are weighted by it.
        smooth: Correlation of neighbouring pixels.
        common: Correlation of unrelated pixels, which a normalisation takes away.
        pools: Expected number, as all lengths without another name.
        convolutions: See ``pools``.
        spatial: Convolutions larger than 1x1.
        reach: In images.
        mean_reach: With all branches weighted alike.
        least: Convolutions of the shortest path.
        least_reach: Of the path that looks least far.
        most: Convolutions of the longest path.
    """

    variance: float = 1.0
    smooth: float = _NATURAL
    common: float = 0.0
    pools: float = 0.0
    convolutions: float = 0.0
    spatial: float = 0.0
    reach: float = 0.0
    mean_reach: float = 0.0
    least: float = 0.0
    least_reach: float = 0.0
    most: float = 0.0

    def copy(self) -> _Signal:
        """Another one that says the same."""
        return _Signal(
            self.variance, self.smooth, self.common, self.pools, self.convolutions, self.spatial,
            self.reach, self.mean_reach, self.least, self.least_reach, self.most,
        )  # fmt: skip

    def look(self, distance: float) -> None:
        """Every path looks so much farther."""
        self.reach += distance
        self.mean_reach += distance
        self.least_reach += distance

    def convolve(self, spatial: bool) -> None:
        """Every path has one convolution more."""
        self.convolutions += 1
        self.least += 1
        self.most += 1
        self.spatial += spatial

    def pool(self, kernel: int, stride: int, average: bool) -> None:
        """Average a window of a signal whose correlation falls geometrically with the distance."""
        self.pools += 1
        s = max(self.smooth, 0.0)
        # Sums of the correlations of all pairs in a window of one row, and in it and the next one.
        same = sum((kernel - abs(d)) * s ** abs(d) for d in range(1 - kernel, kernel))
        shifted = sum((kernel - abs(d)) * s ** abs(d + 1) for d in range(1 - kernel, kernel))
        self.smooth = (shifted / same) ** stride
        if average:
            self.variance *= (same / kernel**2) ** 2


def structure_statistics(arrays: GraphArrays) -> npt.NDArray[np.float64]:
    """The statistics :data:`STRUCTURE` of a graph; a masked node lets its input through.

    Returns:
        ``(len(STRUCTURE),)``.
    """
    operations = arrays.categories[:, 0]
    _, _, height_in, height_out, width_out, weight, _, _ = (2.0 ** (arrays.sizes * _SCALES)).T.astype(float)
    weighted = np.isin(operations, [*_CONVOLUTIONS, *_MATRICES])
    parameters = np.maximum(weight[weighted], 1.0)
    macs = parameters * height_out[weighted] * width_out[weighted]
    signal = _output_signal(arrays, height_in, height_out, height_out * width_out)
    return np.asarray(
        [
            *(_power_sum(macs, power) for power in (0.125, 0.25)),
            *(_power_sum(parameters, power) for power in (0.125, 0.25)),
            signal.pools,
            signal.smooth,
            math.log2(1.0 - min(max(signal.smooth, 0.0), 0.9995)),
            math.log2((1.0 + signal.most) / (1.0 + signal.least)),
            signal.spatial / (1.0 + signal.convolutions + signal.pools),
            math.log2(1.0 + signal.spatial),
            signal.convolutions,
            *(max(reach - 2.0, 0.0) for reach in (signal.reach, signal.least_reach, signal.mean_reach)),
        ]
    )


_SCALES = np.asarray([9, 9, 8, 8, 8, 18 + math.log2(9), 9, 2], dtype=np.float32)
"""Logarithms of the scales of ``GraphArrays.sizes``."""


def _power_sum(values: npt.NDArray[np.float64], power: float) -> float:
    return math.log2(max(float((values**power).sum()), 1.0))


def _output_signal(
    arrays: GraphArrays,
    height_in: npt.NDArray[np.float64],
    height_out: npt.NDArray[np.float64],
    pixels: npt.NDArray[np.float64],
) -> _Signal:
    """The signal at the (first) output: of several, the others are heads that only training needs."""
    inputs: list[list[int]] = [[] for _ in range(len(arrays))]
    for source, target in arrays.edges.T.tolist():
        inputs[target].append(source)
    channels = (2.0 ** (arrays.sizes[:, 1] * _SCALES[1])).tolist()
    image = max(height_in[0], height_out[0])
    dilations = (2.0 ** (arrays.sizes[:, 7] * _SCALES[7])).tolist()
    # A pixel of a smaller feature map is so much of the image.
    steps = (1.0 / np.maximum(height_in, 1.0)).tolist()
    signals: list[_Signal] = []
    for node, (op, height, width, stride, _) in enumerate(arrays.categories.tolist()):
        sources = inputs[node]
        if op == _MUL and len(sources) > 1:  # a gate scales the map that it belongs to
            sources = [max(sources, key=lambda source: pixels[source])]
        shares = [channels[source] if op == _CONCAT else 1.0 for source in sources]
        signal = _join([signals[source] for source in sources], shares, channels[node], op == _CONCAT)
        kernel = max(height, width)
        if op in _CONVOLUTIONS:
            signal.look((kernel - 1) * dilations[node] * steps[node])
            signal.convolve(kernel > 1)
            signal.variance *= 2.0
            signal.smooth = max(signal.smooth, 0.0) ** max(stride, 1)
        elif op in _MATRICES:
            signal.variance *= 2.0
        elif op in _NORMALISATIONS:
            _normalise(signal)
        elif op in _ACTIVATIONS:
            signal.smooth, signal.common = _rectified(signal.smooth), _rectified(signal.common)
            signal.variance *= 0.5
        elif op in _POOLS and image > 1:
            signal.look((kernel - 1) * steps[node])
            signal.pool(max(kernel, 1), max(stride, 1), op == _AVERAGE)
        if op == _OUTPUT:
            return signal
        signals.append(signal)
    return signals[-1] if signals else _Signal()


def _join(signals: list[_Signal], shares: list[float], channels: float, concat: bool) -> _Signal:
    """The sum or the concatenation of uncorrelated branches."""
    if not signals:
        return _Signal()
    if len(signals) == 1:
        return signals[0].copy()
    carried = [max(one.variance * share, 1e-12) for one, share in zip(signals, shares, strict=True)]
    total = sum(carried)
    joined = _Signal(
        variance=total / channels if concat else total,
        smooth=0.0,
        mean_reach=sum(one.mean_reach for one in signals) / len(signals),
        least=min(one.least for one in signals),
        least_reach=min(one.least_reach for one in signals),
        most=max(one.most for one in signals),
    )
    for one, weight in zip(signals, carried, strict=True):
        weight /= total
        joined.smooth += weight * one.smooth
        joined.common += weight * one.common
        joined.pools += weight * one.pools
        joined.convolutions += weight * one.convolutions
        joined.spatial += weight * one.spatial
        joined.reach += weight * one.reach
    return joined


def _normalise(signal: _Signal) -> None:
    """Take the mean away and bring the variance to 1."""
    if signal.common < 0.999:
        signal.smooth = (signal.smooth - signal.common) / (1.0 - signal.common)
        signal.common = 0.0
    signal.variance = 1.0


def _rectified(correlation: float) -> float:
    """Correlation after a ReLU (Cho and Saul 2009, "Kernel Methods for Deep Learning", eq. 6)."""
    c = min(max(correlation, -1.0), 1.0)
    return (math.sqrt(1.0 - c * c) + c * (math.pi - math.acos(c))) / math.pi
