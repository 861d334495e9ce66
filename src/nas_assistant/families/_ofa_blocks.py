"""Blocks of the Once-for-All networks.

Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from nas_assistant.families._ofa import MobileSubnet


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``value``, but at least nine tenths of it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, and the activation, if any.

    Shape: ``(N, in, H, W)`` to ``(N, out, ceil(H / stride), ceil(W / stride))``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
        eps: float = 1e-5,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=eps),
        ]
        super().__init__(*layers, *([activation()] if activation is not None else []))


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed of all channels' means.

    Shape: ``(N, channels, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = make_divisible(channels // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(middle, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply ``x`` by its gates."""
        gates: Tensor = self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))
        return x * gates


class MobileBlock(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excite where asked for, and a linear 1x1 convolution.

    Shape: ``(N, in, H, W)`` to ``(N, out, ceil(H / stride), ceil(W / stride))``.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Of the depthwise convolution.
        expansion: Multiple of ``inputs`` in the middle; with 1 there is no expansion layer.
        stride: Of the depthwise convolution.
        activation: After the first two convolutions.
        squeeze: Whether there is a squeeze-and-excite.
        skip: Whether the input is added where it fits.
        eps: Of the batch norms.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        expansion: int,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU6,
        squeeze: bool = False,
        skip: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        middle = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(ConvNorm(inputs, middle, 1, activation=activation, eps=eps))
        layers.append(ConvNorm(middle, middle, kernel, stride, middle, activation, eps))
        if squeeze:
            layers.append(SqueezeExcite(middle))
        layers.append(ConvNorm(middle, outputs, 1, activation=None, eps=eps))
        self.layers = nn.Sequential(*layers)
        self.skip = skip and stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers, and add the input where it fits."""
        out: Tensor = self.layers(x)
        return x + out if self.skip else out


@dataclass(frozen=True, slots=True)
class Stage:
    """What all blocks of a stage have in common.

    Attributes:
        outputs: Channels that go out of each block.
        stride: Of the first block.
        activation: Inside the blocks.
        squeeze: Whether they have a squeeze-and-excite.
    """

    outputs: int
    stride: int
    activation: type[nn.Module] = nn.ReLU6
    squeeze: bool = False


def mobile_blocks(
    inputs: int, stages: tuple[Stage, ...], subnet: MobileSubnet, eps: float
) -> Iterator[MobileBlock]:
    """The blocks of a subnet's stages, in order."""
    for stage, pairs in zip(stages, subnet.stages(), strict=True):
        for index, (kernel, expansion) in enumerate(pairs):
            stride = stage.stride if index == 0 else 1
            yield MobileBlock(
                inputs,
                stage.outputs,
                kernel,
                expansion,
                stride,
                stage.activation,
                squeeze=stage.squeeze,
                eps=eps,
            )
            inputs = stage.outputs
