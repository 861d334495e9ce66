"""The operations of the Inception family; every convolution has a bias and a batch norm."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from nas_assistant.families._gennape_layers import ConvBN, ConvPair, batch_norm

CONVOLUTIONS = (
    "conv3x3",
    "conv5x5",
    "depthwise3x3",
    "depthwise5x5",
    "inception_s3x3",
    "inception_s5x5",
    "inception_p3x3",
    "inception_p5x5",
)
"""Operations that may change width and resolution; a path has at least one."""

SUPPLEMENTS = ("conv1x1", "double1x1", "avgpool3x3", "maxpool3x3")
"""Operations that keep the resolution; the pools keep the width, too."""

OPERATIONS = (*CONVOLUTIONS, *SUPPLEMENTS)

_KERNEL = re.compile(r"(\d)x\d")


class ParallelConv(nn.Module):
    """A 1 x k and a k x 1 convolution side by side, each giving half of the channels.

    With stride 2 either branch needs both convolutions, one for each axis.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        row, column = (1, kernel), (kernel, 1)
        self.horizontal = nn.Sequential(ConvBN(inputs, half, row, (1, stride), bias=True))
        self.vertical = nn.Sequential(ConvBN(inputs, outputs - half, column, (stride, 1), bias=True))
        if stride > 1:
            self.horizontal.append(ConvBN(half, half, column, (stride, 1), bias=True))
            self.vertical.append(ConvBN(outputs - half, outputs - half, row, (1, stride), bias=True))
        self.activation = nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Concatenate both and activate the result."""
        out: torch.Tensor = self.activation(torch.cat([self.horizontal(x), self.vertical(x)], dim=1))
        return out


def operation(name: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    """One of :data:`OPERATIONS`; the supplements have stride 1."""
    kernel = int(_KERNEL.findall(name)[0])
    if name.startswith("avgpool"):
        return nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), batch_norm(outputs))
    if name.startswith("maxpool"):
        return nn.Sequential(nn.MaxPool2d(3, 1, 1), batch_norm(outputs))
    if name.startswith("inception_s"):
        return ConvPair(inputs, outputs, kernel, ((1, stride), (stride, 1)), bias=True)
    if name.startswith("inception_p"):
        return ParallelConv(inputs, outputs, kernel, stride)
    if name.startswith("depthwise"):
        depthwise = ConvBN(outputs, outputs, kernel, stride, groups=outputs, bias=True, activation=nn.ReLU6())
        if inputs == outputs:
            return depthwise
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), depthwise)
    first = ConvBN(inputs, outputs, kernel, stride, bias=True, activation=nn.ReLU6())
    if name.startswith("double"):
        second = ConvBN(outputs, outputs, kernel, bias=True, activation=nn.ReLU6())
        return nn.Sequential(first, second)
    return first


def resizing(operations: Sequence[str]) -> list[int]:
    """Places of the operations that may change the width."""
    return [place for place, name in enumerate(operations) if "pool" not in name]


class PathModule(nn.Sequential):
    """Operations in order.

    The first that may change the width maps to ``internal`` channels and the last to ``outputs``; the first
    of :data:`CONVOLUTIONS` has the stride.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.
    """

    def __init__(
        self, operations: Sequence[str], inputs: int, internal: int, outputs: int, stride: int
    ) -> None:
        able = resizing(operations)
        striding = next(place for place, name in enumerate(operations) if name in CONVOLUTIONS)
        modules, width = [], inputs
        for place, name in enumerate(operations):
            after = outputs if place == able[-1] else internal if place == able[0] else width
            modules.append(operation(name, width, after, stride if place == striding else 1))
            width = after
        super().__init__(*modules)
