"""The Once-for-All MobileNetV3 space.

Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment", section 3.2;
its blocks are those of Howard et al. 2019, "Searching for MobileNetV3".
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas_assistant.families._ofa import MobileSubnet, OFAFamily
from nas_assistant.families._ofa_blocks import ConvNorm, MobileBlock, Stage, make_divisible, mobile_blocks

BASE = (24, 40, 80, 112, 160)
"""Channels of the five stages at width 1."""


@dataclass(frozen=True, slots=True)
class MobileNetV3Subnet(MobileSubnet):
    """Five stages of four slots, of which two to four are used; see :class:`MobileSubnet`."""

    slots = (4, 4, 4, 4, 4)


def _stages(width: float) -> tuple[Stage, ...]:
    channels = [make_divisible(base * width) for base in BASE]
    return (
        Stage(channels[0], 2, nn.ReLU),
        Stage(channels[1], 2, nn.ReLU, squeeze=True),
        Stage(channels[2], 2, nn.Hardswish),
        Stage(channels[3], 1, nn.Hardswish, squeeze=True),
        Stage(channels[4], 2, nn.Hardswish, squeeze=True),
    )


class OFAMobileNetV3Network(nn.Module):
    """A subnet of the MobileNetV3 supernet.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Args:
        subnet: The choices.
        width: Multiple of the channels; supernets of 1.0 and 1.2 are published.
        num_classes: Classes of the data.
    """

    def __init__(self, subnet: MobileNetV3Subnet, width: float = 1.0, num_classes: int = 1000) -> None:
        super().__init__()
        stem, last, feature = (make_divisible(base * width) for base in (16, 960, 1280))
        stages = _stages(width)
        self.stem = ConvNorm(3, stem, 3, stride=2, activation=nn.Hardswish)
        self.first = MobileBlock(stem, stem, kernel=3, expansion=1, activation=nn.ReLU)
        self.blocks = nn.Sequential(*mobile_blocks(stem, stages, subnet, eps=1e-5))
        self.last = ConvNorm(stages[-1].outputs, last, 1, activation=nn.Hardswish)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.feature = nn.Conv2d(last, feature, 1, bias=False)
        self.activation = nn.Hardswish()
        self.classifier = nn.Linear(feature, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.last(self.blocks(self.first(self.stem(x))))
        x = self.activation(self.feature(self.pool(x)))
        out: Tensor = self.classifier(torch.flatten(x, 1))
        return out


class OFAMobileNetV3(OFAFamily[MobileNetV3Subnet]):
    """2,223 subnets that searches came upon, so most of them are good ones.

    Args:
        width: Multiple of the channels; the labels are of 1.0.
    """

    name = "ofa_mbv3"
    title = "Once-for-All MobileNetV3"
    table = "ofa_mbv3_imagenet.csv.gz"
    columns = ("ks", "e", "d")
    original = "DyNAS-T publishes measured subnets of width 1.0"

    def __init__(self, width: float = 1.0) -> None:
        self.width = width

    def build(self, encoding: MobileNetV3Subnet) -> nn.Module:
        """Build the network of a subnet."""
        return OFAMobileNetV3Network(encoding, self.width, self.num_classes)

    def sample(self, rng: random.Random) -> MobileNetV3Subnet:
        """Kernel and expansion of every slot and the depth of every stage, all equally likely."""
        return MobileNetV3Subnet.random(rng)

    def parse(self, text: str) -> MobileNetV3Subnet:
        """Read ``ks,e,d,r``, the lists with spaces between their numbers."""
        return MobileNetV3Subnet.parse(text)
