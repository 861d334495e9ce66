"""Convolutions and pools as Keras and TensorFlow write them, in the vocabulary's channels-first terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nas_assistant.graphs._operations import Operation

Description = dict[str, Any]
"""Keyword arguments of :meth:`GraphBuilder.add`, ``op`` included."""

Shape = Sequence[int]


def convolution(
    kernel: Shape,
    before: Shape,
    after: Shape,
    *,
    strides: Any = 1,
    padding: str | Sequence[int] = "valid",
    dilation: Any = 1,
    channels_last: bool = True,
    bias: bool = False,
) -> Description:
    """A convolution with a kernel ``(kH, kW, C_in / groups, C_out)``.

    Args:
        kernel: Shape of the kernel; one or three spatial axes do as well.
        before: Shape of the input with its batch.
        after: Shape of the output with its batch.
        strides: One number or one for each spatial axis.
        padding: ``valid``, ``same``, ``causal`` or explicit ``(top, left, bottom, right)``.
        dilation: One number or one for each spatial axis.
        channels_last: Where the channels of input and output are.
        bias: Whether it adds a bias.
    """
    groups = max(1, before[-1 if channels_last else 1] // kernel[-2])
    weight = (kernel[-1], kernel[-2], *kernel[:-2])
    return _described(weight, groups, before, after, strides, padding, dilation, channels_last, bias)


def depthwise_convolution(
    kernel: Shape,
    before: Shape,
    after: Shape,
    *,
    strides: Any = 1,
    padding: str | Sequence[int] = "valid",
    dilation: Any = 1,
    channels_last: bool = True,
    bias: bool = False,
) -> Description:
    """A depthwise convolution with a kernel ``(kH, kW, C_in, multiplier)``; see :func:`convolution`."""
    weight = (kernel[-2] * kernel[-1], 1, *kernel[:-2])
    return _described(weight, kernel[-2], before, after, strides, padding, dilation, channels_last, bias)


def transposed_convolution(
    kernel: Shape,
    before: Shape,
    after: Shape,
    *,
    strides: Any = 1,
    padding: str = "valid",
    dilation: Any = 1,
    channels_last: bool = True,
    bias: bool = False,
) -> Description:
    """A transposed convolution with a kernel ``(kH, kW, C_out, C_in)``.

    Its padding is what is cut from the full output, as PyTorch counts it.
    """
    rank = len(kernel) - 2
    steps, gaps = _each(strides, rank), _each(dilation, rank)
    full = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(_spatial(before, channels_last), steps, gaps, kernel, strict=False)
    ]
    cut = [max(0, f - n) for f, n in zip(full, _spatial(after, channels_last), strict=True)]
    return {
        "op": Operation.CONV_TRANSPOSE,
        "weight_shape": (kernel[-1], kernel[-2], *kernel[:-2]),
        "bias": bias,
        "kernel": _two(kernel[:-2], 1),
        "stride": _two(steps, 1),
        "dilation": _two(gaps, 1),
        "groups": 1,
        "padding": _sides([(c // 2, c - c // 2) for c in cut]),
        "macs": math.prod(before[1:]) * kernel[-2] * math.prod(kernel[:-2]),
    }


def pool(
    op: Operation,
    before: Shape,
    *,
    size: Any,
    strides: Any = None,
    padding: str = "valid",
    channels_last: bool = True,
) -> Description:
    """A maximum or average pool."""
    spatial = _spatial(before, channels_last)
    sizes = _each(size, len(spatial))
    steps = _each(strides, len(spatial)) if strides is not None else sizes
    return {
        "op": op,
        "kernel": _two(sizes, 1),
        "stride": _two(steps, 1),
        "padding": _explicit(padding, spatial, sizes, steps, [1] * len(spatial)),
    }


def global_pool(op: Operation, before: Shape, *, channels_last: bool = True) -> Description:
    """A pool over the whole map."""
    if op is Operation.GLOBAL_AVG_POOL:
        return {"op": op}
    return pool(op, before, size=_spatial(before, channels_last), channels_last=channels_last)


def zero_padding(amounts: Sequence[Sequence[int]]) -> Description:
    """Padding with zeros, ``(before, after)`` for each spatial axis."""
    return {"op": Operation.PAD, "padding": _sides([(int(a), int(b)) for a, b in amounts])}


def _described(
    weight: tuple[int, ...],
    groups: int,
    before: Shape,
    after: Shape,
    strides: Any,
    padding: str | Sequence[int],
    dilation: Any,
    channels_last: bool,
    bias: bool,
) -> Description:
    rank = len(weight) - 2
    sizes, steps, gaps = list(weight[2:]), _each(strides, rank), _each(dilation, rank)
    return {
        "op": Operation.DEPTHWISE_CONV if groups > 1 and weight[1] == 1 else Operation.CONV,
        "weight_shape": weight,
        "bias": bias,
        "kernel": _two(sizes, 1),
        "stride": _two(steps, 1),
        "dilation": _two(gaps, 1),
        "groups": groups,
        "padding": _explicit(padding, _spatial(before, channels_last), sizes, steps, gaps),
        "macs": math.prod(after[1:]) * math.prod(weight[1:]),
    }


def _explicit(
    padding: str | Sequence[int], spatial: Shape, sizes: Shape, steps: Shape, gaps: Shape
) -> tuple[int, int, int, int]:
    """Padding as numbers: ``same`` puts the odd pixel after, as TensorFlow does."""
    if not isinstance(padding, str):
        top, left, bottom, right = padding
        return (top, left, bottom, right)
    amounts = []
    for length, size, step, gap in zip(spatial, sizes, steps, gaps, strict=False):
        reach = gap * (size - 1) + 1
        needed = max(0, (math.ceil(length / step) - 1) * step + reach - length)
        same = (needed // 2, needed - needed // 2)
        amounts.append({"same": same, "causal": (reach - 1, 0)}.get(padding.lower(), (0, 0)))
    return _sides(amounts)


def _sides(amounts: Sequence[tuple[int, int]]) -> tuple[int, int, int, int]:
    """``(top, left, bottom, right)``: one axis runs downwards, of three the last two are kept."""
    vertical, horizontal = (amounts[0], (0, 0)) if len(amounts) == 1 else amounts[-2:]
    return (vertical[0], horizontal[0], vertical[1], horizontal[1])


def _two(values: Shape, default: int) -> tuple[int, int]:
    if len(values) == 1:
        return (int(values[0]), default)
    return (int(values[-2]), int(values[-1]))


def _each(value: Any, rank: int) -> list[int]:
    return [int(value)] * rank if isinstance(value, int) else [int(v) for v in value][-rank:]


def _spatial(shape: Shape, channels_last: bool) -> list[int]:
    return list(shape[1:-1] if channels_last else shape[2:])
