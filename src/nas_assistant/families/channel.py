"""Channel-Bench-Macro: the channel widths of a small ResNet and of a small MobileNet.

Published with Zheng et al. 2023, "Can GPT-4 Perform Neural Architecture Search?".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._data import read_table, require

WIDTHS = 7


@dataclass(frozen=True, slots=True)
class Widths:
    """The multiples of a base network's channel counts.

    Attributes:
        digits: Seven numbers from 1 to 4.

    Raises:
        UserError: There are not seven, or one is not from 1 to 4.
    """

    digits: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.digits) != WIDTHS or not all(1 <= digit <= 4 for digit in self.digits):
            raise UserError(f"channel widths are seven digits from 1 to 4, not {str(self)!r}")

    @classmethod
    def parse(cls, text: str) -> Widths:
        """Read seven digits, such as ``4344424``.

        Raises:
            UserError: They are something else.
        """
        if not text.isascii() or not text.isdigit():
            raise UserError(f"channel widths are seven digits from 1 to 4, not {text!r}")
        return cls(tuple(int(digit) for digit in text))

    def __str__(self) -> str:
        return "".join(str(digit) for digit in self.digits)

    def channels(self, base: tuple[int, ...]) -> tuple[int, ...]:
        """Channel counts, each digit times its base."""
        return tuple(digit * width for digit, width in zip(self.digits, base, strict=True))


class ConvBN(nn.Module):
    """Convolution without bias, batch norm, and a ReLU where asked for.

    Shape: ``(N, in, H, W)`` to ``(N, out, H / stride, W / stride)``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three in order."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; the input is added where the stride is 1."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvBN(inputs, middle, 3, stride)
        self.conv2 = ConvBN(middle, outputs, 3, relu=False)
        self.relu = nn.ReLU()
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        out = self.conv2(self.conv1(x))
        if self.residual:
            out = out + x
        activated: Tensor = self.relu(out)
        return activated


class InvertedResidual(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolution, without activation at the end; an added input where it fits."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.expand = ConvBN(inputs, middle, 1)
        self.depthwise = ConvBN(middle, middle, 3, stride, groups=middle)
        self.project = ConvBN(middle, outputs, 1, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return out + x if self.residual else out


class ChannelResNet(nn.Module):
    """Stem and five basic blocks.

    The stem has stride 2: only then are the multiply-accumulates those published.
    """

    def __init__(self, channels: tuple[int, ...], num_classes: int = 10) -> None:
        super().__init__()
        first, mid1, mid2, mid3, second, mid5, mid6 = channels
        self.stem = ConvBN(3, first, 3, stride=2)
        self.block1 = BasicBlock(first, mid1, first)
        self.block2 = BasicBlock(first, mid2, first)
        self.block3 = BasicBlock(first, mid3, second, stride=2)
        self.block4 = BasicBlock(second, mid5, second)
        self.block5 = BasicBlock(second, mid6, second)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(second, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of images ``(N, 3, H, W)``."""
        x = self.block2(self.block1(self.stem(x)))
        x = self.block5(self.block4(self.block3(x)))
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


class ChannelMobileNet(nn.Module):
    """Stem, four inverted residuals and a last 1x1 convolution.

    The stem has stride 2: only then are the multiply-accumulates those published.
    """

    def __init__(self, channels: tuple[int, ...], num_classes: int = 10) -> None:
        super().__init__()
        first, mid1, mid2, mid3, second, mid5, last = channels
        self.stem = ConvBN(3, first, 3, stride=2)
        self.block1 = InvertedResidual(first, mid1, first)
        self.block2 = InvertedResidual(first, mid2, first)
        self.block3 = InvertedResidual(first, mid3, second, stride=2)
        self.block4 = InvertedResidual(second, mid5, second)
        self.last = ConvBN(second, last, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of images ``(N, 3, H, W)``."""
        x = self.block2(self.block1(self.stem(x)))
        x = self.last(self.block4(self.block3(x)))
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


class _ChannelFamily(BaseFamily[Widths]):
    base: ClassVar[tuple[int, ...]]
    label = "CIFAR-10 test accuracy, mean of three trainings"

    def sample(self, rng: random.Random) -> Widths:
        """Seven digits from 1 to 4, all equally likely."""
        return Widths(tuple(rng.randint(1, 4) for _ in range(WIDTHS)))

    def parse(self, text: str) -> Widths:
        """Read seven digits, such as ``4344424``."""
        return Widths.parse(text)

    def format(self, encoding: Widths) -> str:
        """The seven digits."""
        return str(encoding)

    def read_labels(self, data_root: Path) -> list[Network[Widths]]:
        """Read the table; its key is the seven digits."""
        original = "a CSV with columns key, test_acc_mean, test_acc_std in percent, flops, params"
        return read_table(require(data_root, self.table, original), _network, self.title)


class ChannelResNetFamily(_ChannelFamily):
    """16,384 widths of a ResNet, each trained three times."""

    name = "channel_resnet"
    title = "Channel-Bench ResNet"
    table = "channel_resnet.csv.gz"
    base = (64, 64, 64, 128, 128, 128, 128)

    def build(self, encoding: Widths) -> nn.Module:
        """Build the ResNet of these widths."""
        return ChannelResNet(encoding.channels(self.base), self.num_classes)


class ChannelMobileNetFamily(_ChannelFamily):
    """16,384 widths of a MobileNet, each trained three times."""

    name = "channel_mobilenet"
    title = "Channel-Bench MobileNet"
    table = "channel_mobilenet.csv.gz"
    base = (32, 192, 192, 192, 64, 384, 256)

    def build(self, encoding: Widths) -> nn.Module:
        """Build the MobileNet of these widths."""
        return ChannelMobileNet(encoding.channels(self.base), self.num_classes)


def _network(row: dict[str, str]) -> Network[Widths]:
    metadata = {
        "test_acc_std": float(row["test_acc_std"]) / 100,
        "macs": float(row["flops"]),
        "parameters": float(row["params"]),
    }
    return Network(row["key"], Widths.parse(row["key"]), float(row["test_acc_mean"]) / 100, metadata)
