"""The Once-for-All ProxylessNAS space.

Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment"; its blocks are
those of Cai et al. 2019, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware".
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas_assistant.families._ofa import MobileSubnet, OFAFamily
from nas_assistant.families._ofa_blocks import ConvNorm, MobileBlock, Stage, make_divisible, mobile_blocks

BASE = (24, 40, 80, 96, 192, 320)
"""Channels of the six stages at width 1."""

STRIDES = (2, 2, 2, 1, 2, 1)
EPS = 1e-3


@dataclass(frozen=True, slots=True)
class ProxylessSubnet(MobileSubnet):
    """Five stages of two to four blocks and a last one of a single block; see :class:`MobileSubnet`."""

    slots = (4, 4, 4, 4, 4, 1)


class OFAProxylessNetwork(nn.Module):
    """A subnet of the ProxylessNAS supernet.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Args:
        subnet: The choices.
        width: Multiple of the channels; the published supernet has 1.3.
        num_classes: Classes of the data.
    """

    def __init__(self, subnet: ProxylessSubnet, width: float = 1.3, num_classes: int = 1000) -> None:
        super().__init__()
        stem, first, last = (make_divisible(base * width) for base in (32, 16, 1280))
        stages = tuple(Stage(make_divisible(b * width), s) for b, s in zip(BASE, STRIDES, strict=True))
        self.stem = ConvNorm(3, stem, 3, stride=2, activation=nn.ReLU6, eps=EPS)
        self.first = MobileBlock(stem, first, kernel=3, expansion=1, skip=False, eps=EPS)
        self.blocks = nn.Sequential(*mobile_blocks(first, stages, subnet, EPS))
        self.last = ConvNorm(stages[-1].outputs, last, 1, activation=nn.ReLU6, eps=EPS)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.last(self.blocks(self.first(self.stem(x))))
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


class OFAProxylessNAS(OFAFamily[ProxylessSubnet]):
    """Subnets of width 1.3; their labels have to be brought along."""

    name = "ofa_proxylessnas"
    title = "Once-for-All ProxylessNAS"
    table = "ofa_proxylessnas_imagenet.csv.gz"
    columns = ("ks", "e", "d")
    original = (
        "the public labels are in GENNAPE's gpi_ofa_comp_graph_cache.pkl, a pickle, which is not loaded, as "
        "it may carry code: export its resolution, config and accuracy"
    )

    def build(self, encoding: ProxylessSubnet) -> nn.Module:
        """Build the network of a subnet."""
        return OFAProxylessNetwork(encoding, num_classes=self.num_classes)

    def sample(self, rng: random.Random) -> ProxylessSubnet:
        """Kernel and expansion of every slot and the depth of every stage, all equally likely."""
        return ProxylessSubnet.random(rng)

    def parse(self, text: str) -> ProxylessSubnet:
        """Read ``ks,e,d,r``, the lists with spaces between their numbers."""
        return ProxylessSubnet.parse(text)
