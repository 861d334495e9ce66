"""The network of a DARTS genotype.

Liu et al. 2019, "DARTS: Differentiable Architecture Search", sections 2.1 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Edge = tuple[str, int]
"""An operation by its published name, and the state it reads."""


class ReLUConvBN(nn.Module):
    """ReLU, then a 1x1 convolution without bias, then batch norm."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in, H, W)`` to ``(N, out, H, W)``."""
        out: Tensor = self.norm(self.conv(self.relu(x)))
        return out


class FactorizedReduce(nn.Module):
    """Halve the resolution without losing a pixel: two strided 1x1 convolutions, one shifted by a pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.relu = nn.ReLU()
        self.conv_even = nn.Conv2d(in_channels, half, 1, stride=2, bias=False)
        self.conv_odd = nn.Conv2d(in_channels, out_channels - half, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in, H, W)``, H and W even, to ``(N, out, H / 2, W / 2)``."""
        x = self.relu(x)
        even = self.conv_even(x)
        odd = self.conv_odd(x[:, :, 1:, 1:])
        out: Tensor = self.norm(torch.cat([even, odd], dim=1))
        return out


class SeparableConv(nn.Module):
    """ReLU, depthwise and 1x1 convolution, batch norm: twice, the stride in the first."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = kernel // 2
        self.relu1 = nn.ReLU()
        self.depthwise1 = nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
        self.pointwise1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.depthwise2 = nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=False)
        self.pointwise2 = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C, H / stride, W / stride)``."""
        x = self.norm1(self.pointwise1(self.depthwise1(self.relu1(x))))
        out: Tensor = self.norm2(self.pointwise2(self.depthwise2(self.relu2(x))))
        return out


class DilatedConv(nn.Module):
    """ReLU, depthwise convolution of dilation 2, 1x1 convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, stride, kernel - 1, dilation=2, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C, H / stride, W / stride)``."""
        out: Tensor = self.norm(self.pointwise(self.depthwise(self.relu(x))))
        return out


def _operation(name: str, channels: int, stride: int) -> nn.Module:
    match name.rsplit("_", 1):
        case ["sep_conv", size]:
            return SeparableConv(channels, int(size[0]), stride)
        case ["dil_conv", size]:
            return DilatedConv(channels, int(size[0]), stride)
        case ["max_pool", _]:
            return nn.MaxPool2d(3, stride, padding=1)
        case ["avg_pool", _]:
            return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        case _:
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)


class Cell(nn.Module):
    """One cell: four nodes, each the sum of two operations, side by side in the output.

    Args:
        edges: Two for each node, in order; state 0 is the cell before the last, 1 the last, 2 to 5 the nodes.
        in_channels: Of the cell before the last, and of the last.
        channels: Of each node.
        reduction: Halve the resolution.
        after_reduction: The last cell halved it, so that its input is half the size of the one before.
    """

    def __init__(
        self,
        edges: Sequence[Edge],
        in_channels: tuple[int, int],
        channels: int,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        first = FactorizedReduce if after_reduction else ReLUConvBN
        self.preprocess0 = first(in_channels[0], channels)
        self.preprocess1 = ReLUConvBN(in_channels[1], channels)
        self.operations = nn.ModuleList(
            _operation(name, channels, stride=2 if reduction and source < 2 else 1) for name, source in edges
        )
        self._sources = [source for _, source in edges]

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        """Map the two outputs before to ``(N, 4 * channels, H, W)``, or half of H and W in a reduction."""
        states = [self.preprocess0(before), self.preprocess1(last)]
        for left in range(0, len(self._sources), 2):
            right = left + 1
            states.append(
                self.operations[left](states[self._sources[left]])
                + self.operations[right](states[self._sources[right]])
            )
        return torch.cat(states[2:], dim=1)


class DartsNetwork(nn.Module):
    """The evaluation network without its auxiliary head and without drop-path.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``; labels are of 32 x 32 images.

    Args:
        normal: Edges of the cells that keep the resolution.
        reduce: Edges of the two that halve it, at a third and two thirds of the depth.
        channels: Of a node in the first cells; doubled at each reduction.
        cells: Number of cells.
        num_classes: Classes of the data.
    """

    def __init__(
        self, normal: Sequence[Edge], reduce: Sequence[Edge], channels: int, cells: int, num_classes: int = 10
    ) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(3, 3 * channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(3 * channels)
        self.cells = nn.ModuleList()
        widths, after_reduction = (3 * channels, 3 * channels), False
        for position in range(cells):
            reduction = position in (cells // 3, 2 * cells // 3)
            channels = 2 * channels if reduction else channels
            edges = reduce if reduction else normal
            self.cells.append(Cell(edges, widths, channels, reduction, after_reduction))
            widths, after_reduction = (widths[1], 4 * channels), reduction
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        before = last = self.stem_norm(self.stem_conv(x))
        for cell in self.cells:
            before, last = last, cell(before, last)
        out: Tensor = self.classifier(torch.flatten(self.pool(last), 1))
        return out
