"""The Once-for-All ResNet-50 space: depth, width and expansion of a ResNet-50D.

Of the supernets of Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient
Deployment"; the stem and the shortcuts are those of He et al. 2019, "Bag of Tricks for Image Classification
with Convolutional Neural Networks", section 4.2.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nas_assistant.families._ofa import (
    OFAFamily,
    check_choices,
    check_resolution,
    numbers,
    split_fields,
)
from nas_assistant.families._ofa_blocks import ConvNorm, make_divisible

BASE = (256, 512, 1024, 2048)
"""Channels of the four stages at width 1."""

DEPTHS = (2, 2, 4, 2)
"""Blocks of the four stages before ``d`` is added."""

STRIDES = (1, 2, 2, 2)
SLOTS = (4, 4, 6, 4)
"""Expansions that a stage has place for; its first blocks use the first ones."""

EXPANSIONS = (0.2, 0.25, 0.35)
WIDTHS = (0.65, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class ResNetSubnet:
    """A subnet of the ResNet-50 supernet.

    Attributes:
        depths: First 2 where the stem has a residual block, else 0; then how many blocks each of the four
            stages has above its least, from 0 to 2.
        expansions: 18 numbers of :data:`EXPANSIONS`, laid out by :data:`SLOTS`; those of blocks that a stage
            does not have are without effect.
        widths: Six indices into :data:`WIDTHS`: middle and end of the stem, then the stages.
        resolution: Side of the images that its label is of.

    Raises:
        UserError: A count or a value is not one of the supernet.
    """

    depths: tuple[int, ...]
    expansions: tuple[float, ...]
    widths: tuple[int, ...]
    resolution: int = 224

    depth_choices: ClassVar[tuple[tuple[int, ...], ...]] = ((0, 2), *((0, 1, 2),) * len(BASE))

    def __post_init__(self) -> None:
        check_choices("depths d", self.depths, self.depth_choices)
        check_choices("expansions e", self.expansions, (EXPANSIONS,) * sum(SLOTS))
        check_choices("widths w", self.widths, (tuple(range(len(WIDTHS))),) * (2 + len(BASE)))
        check_resolution(self.resolution)

    @classmethod
    def parse(cls, text: str) -> ResNetSubnet:
        """Read ``d,e,w,r``, the lists with spaces between their numbers.

        Raises:
            UserError: The text has another form.
        """
        form = "d,e,w,r, the lists with spaces between their numbers"
        (depths, expansions, widths), resolution = split_fields(text, form)
        return cls(numbers(depths, int), numbers(expansions, float), numbers(widths, int), resolution)

    def __str__(self) -> str:
        lists = (self.depths, self.expansions, self.widths)
        return ",".join([*(" ".join(map(str, values)) for values in lists), str(self.resolution)])

    def stages(self) -> tuple[tuple[float, ...], ...]:
        """The expansions that are used, by stage."""
        starts = [sum(SLOTS[:index]) for index in range(len(SLOTS))]
        return tuple(
            self.expansions[start : start + least + more]
            for start, least, more in zip(starts, DEPTHS, self.depths[1:], strict=True)
        )

    def stem_channels(self) -> tuple[int, int]:
        """Channels of the stem's middle and end; two of the three middle widths are the same."""
        middle, end = (make_divisible(64 * WIDTHS[index]) for index in self.widths[:2])
        return make_divisible(middle // 2), end

    def functional_form(self) -> str:
        """A text that is equal for subnets which are the same network."""
        widths = (*self.stem_channels(), *self.widths[2:])
        return f"{self.depths[0]},{self.stages()},{widths},{self.resolution}"


class Residual(nn.Module):
    """A convolution whose input is added to what comes out.

    Shape: ``(N, channels, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Add the input to the activated convolution."""
        out: Tensor = self.conv(x)
        return x + out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside a shortcut, which pools before it projects.

    Shape: ``(N, in, H, W)`` to ``(N, out, ceil(H / stride), ceil(W / stride))``.
    """

    def __init__(self, inputs: int, outputs: int, expansion: float, stride: int = 1) -> None:
        super().__init__()
        middle = make_divisible(round(outputs * expansion))
        self.layers = nn.Sequential(
            ConvNorm(inputs, middle, 1),
            ConvNorm(middle, middle, 3, stride),
            ConvNorm(middle, outputs, 1, activation=None),
        )
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d(stride, stride, ceil_mode=True))
        if stride > 1 or inputs != outputs:
            shortcut.append(ConvNorm(inputs, outputs, 1, activation=None))
        self.shortcut = nn.Sequential(*shortcut)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut to the convolutions."""
        out: Tensor = self.relu(self.layers(x) + self.shortcut(x))
        return out


class OFAResNetNetwork(nn.Module):
    """A subnet of the ResNet-50 supernet.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``.
    """

    def __init__(self, subnet: ResNetSubnet, num_classes: int = 1000) -> None:
        super().__init__()
        middle, inputs = subnet.stem_channels()
        self.stem = nn.Sequential(
            ConvNorm(3, middle, 3, stride=2),
            *([Residual(middle)] if subnet.depths[0] else []),
            ConvNorm(middle, inputs, 3),
        )
        self.max_pool = nn.MaxPool2d(3, stride=2, padding=1)
        blocks = []
        for base, width, stride, stage in zip(BASE, subnet.widths[2:], STRIDES, subnet.stages(), strict=True):
            outputs = make_divisible(base * WIDTHS[width])
            for index, expansion in enumerate(stage):
                blocks.append(Bottleneck(inputs, outputs, expansion, stride if index == 0 else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.blocks(self.max_pool(self.stem(x)))
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


class OFAResNet(OFAFamily[ResNetSubnet]):
    """Subnets of a ResNet-50D; their labels have to be brought along."""

    name = "ofa_resnet"
    title = "Once-for-All ResNet-50"
    table = "ofa_resnet_imagenet.csv.gz"
    columns = ("d", "e", "w")
    original = (
        "the public labels are in GENNAPE's gpi_ofa_resnet_comp_graph_cache.pkl, a pickle, which is not "
        "loaded, as it may carry code: export its resolution, config and accuracy"
    )

    def build(self, encoding: ResNetSubnet) -> nn.Module:
        """Build the network of a subnet."""
        return OFAResNetNetwork(encoding, self.num_classes)

    def sample(self, rng: random.Random) -> ResNetSubnet:
        """Every depth, expansion and width, all equally likely."""
        depths = tuple(rng.choice(choices) for choices in ResNetSubnet.depth_choices)
        expansions = tuple(rng.choice(EXPANSIONS) for _ in range(sum(SLOTS)))
        return ResNetSubnet(depths, expansions, tuple(rng.randrange(3) for _ in range(2 + len(BASE))))

    def parse(self, text: str) -> ResNetSubnet:
        """Read ``d,e,w,r``, the lists with spaces between their numbers."""
        return ResNetSubnet.parse(text)
