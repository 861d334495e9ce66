"""HiAML: a hand-made block for each of four stages.

Published with Mills et al. 2023, "GENNAPE: Towards Generalized Neural Architecture Performance Estimators".
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._gennape_labels import PRUNED, pruned, read_labelled
from nas_assistant.families._gennape_layers import ConvBN, ConvPair

BLOCKS = {
    "z": "a=K3(x) b=I(a) a+b",
    "a22": "a=K3(x) b=K1(a) c=L1(b) a+c",
    "b23": "a=I(x) b=I(a) p=P(x) p+b",
    "j30": "a=K3(x) b=I(a) p=P(x) p+b",
    "g30": "a=I(x) p=P(x) b=I(p+a) c=L1(b) a+c",
    "r30": "a=I(x) p=P(x) b=L1(p+a) c=I(a) q=P(x) q+b+c",
    "l20": "a=K3(x) b=L1(a) b",
    "t20": "a=L1(x) b=I(x) a+b",
    "t31": "a=I(x) b=K1(a) p=P(x) c=I(p+b) q=P(x) q+b+c",
    "src0": "a=K1(x) b=K3(a) c=L3(b) a+c",
    "src1": "a=K1(x) b=S3(x) c=L3(b) a+c",
    "src3": "a=L1(x) b=S1(x) c=K3(b) d=L1(c) a+d",
    "src7": "a=L1(x) b=I(a) c=I(b) a+c",
    "src8": "a=L1(x) b=I(a) c=L1(b) a+c",
}
"""What each block computes of its input ``x``, before the ReLU that ends it.

``K`` is a convolution with batch norm and ReLU, ``L`` one without ReLU, ``S`` one that keeps width and size;
the digit is the kernel. ``I`` is a 1 x 3 and a 3 x 1 convolution, ``P`` a projection where the shape changes
and else the input itself. The first operation on the way from ``x`` that is not an ``S`` has the stride.
"""

STAGES = 4
WIDTHS = (64, 128, 128, 256)
"""Channels of the stages; where they double, the first block has stride 2."""

_PREFIX = "hiaml_"
_STEP = re.compile(r"(\w)=(\w+)\(([\w+]+)\)")


@dataclass(frozen=True, slots=True)
class HiAMLNet:
    """A network of the space.

    Attributes:
        blocks: A name of :data:`BLOCKS` for each stage.

    Raises:
        UserError: There are not four, or one is unknown.
    """

    blocks: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.blocks) != STAGES:
            raise UserError(f"a HiAML network has {STAGES} blocks, this one {len(self.blocks)}")
        for block in self.blocks:
            if block not in BLOCKS:
                raise UserError(f"HiAML has no block {block!r:.40}: choose one of {', '.join(BLOCKS)}")

    def __str__(self) -> str:
        return " ".join(self.blocks)


def _inception(inputs: int, outputs: int, stride: int) -> nn.Module:
    return ConvPair(inputs, outputs, 3, ((stride, stride), (1, 1)))


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return ConvBN(inputs, outputs, 1, stride)


def _convolution(kernel: int, activated: bool) -> Callable[[int, int, int], nn.Module]:
    def build(inputs: int, outputs: int, stride: int) -> nn.Module:
        return ConvBN(inputs, outputs, kernel, stride, activation=nn.ReLU() if activated else None)

    return build


_OPERATIONS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "K1": _convolution(1, True),
    "K3": _convolution(3, True),
    "L1": _convolution(1, False),
    "L3": _convolution(3, False),
    "S1": _convolution(1, True),
    "S3": _convolution(3, True),
    "I": _inception,
    "P": _projection,
}


class HiAMLBlock(nn.Module):
    """One block of :data:`BLOCKS`.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.
    """

    def __init__(self, name: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        program = BLOCKS[name]
        self.steps = nn.ModuleDict()
        self._sources: dict[str, list[str]] = {}
        unchanged = {"x"}
        for target, kind, terms in _STEP.findall(program):
            sources = terms.split("+")
            if sources[0] not in unchanged:
                module = _OPERATIONS[kind](outputs, outputs, 1)
            elif kind.startswith("S"):
                module = _OPERATIONS[kind](inputs, inputs, 1)
                unchanged.add(target)
            else:
                module = _OPERATIONS[kind](inputs, outputs, stride)
            self.steps[target] = module
            self._sources[target] = sources
        self._result = program.split()[-1].split("+")
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Run the steps, then a ReLU of the sum that the block ends with."""
        values = {"x": x}
        for target, step in self.steps.items():
            values[target] = step(_sum([values[source] for source in self._sources[target]]))
        out: Tensor = self.relu(_sum([values[source] for source in self._result]))
        return out


class HiAMLNetwork(nn.Module):
    """Stem of stride 2, each stage's block twice, a dense head.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``; labels are of 32 x 32 images.
    """

    def __init__(self, net: HiAMLNet, num_classes: int = 10) -> None:
        super().__init__()
        width = WIDTHS[0]
        self.stem = ConvBN(3, width, 3, 2, activation=nn.ReLU())
        self.stages = nn.ModuleList()
        for block, outputs in zip(net.blocks, WIDTHS, strict=True):
            first = HiAMLBlock(block, width, outputs, stride=outputs // width)
            self.stages.append(nn.Sequential(first, HiAMLBlock(block, outputs, outputs, stride=1)))
            width = outputs
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


class HiAML(BaseFamily[HiAMLNet]):
    """38,416 networks, of which GENNAPE trained some 4,600.

    The networks are those of the published graphs, which have a ReLU where GENNAPE's PyTorch code has a
    ReLU6.
    """

    name = "hiaml"
    title = "HiAML"
    label = "CIFAR-10 accuracy, the best that GENNAPE measured"
    table = "gpi_test_hiaml_cifar10_labelled_cg_data.json"

    def build(self, encoding: HiAMLNet) -> nn.Module:
        """Build the network of four blocks."""
        return HiAMLNetwork(encoding, self.num_classes)

    def sample(self, rng: random.Random) -> HiAMLNet:
        """Any block for each stage, all equally likely."""
        return HiAMLNet(tuple(rng.choice(tuple(BLOCKS)) for _ in range(STAGES)))

    def parse(self, text: str) -> HiAMLNet:
        """Read four names parted by spaces: ``src1 src1 r30 src3``."""
        return HiAMLNet(tuple(text.split()))

    def format(self, encoding: HiAMLNet) -> str:
        """The names, parted by spaces."""
        return str(encoding)

    def views(self, networks: list[Network[HiAMLNet]]) -> dict[str, list[Network[HiAMLNet]]]:
        """All networks, and those that GENNAPE keeps, whose accuracies differ."""
        return {"all": networks, PRUNED: pruned(networks)}

    def read_labels(self, data_root: Path) -> list[Network[HiAMLNet]]:
        """Read GENNAPE's public file; a ``net_config`` is the four names, with ``hiaml_`` before each."""
        return read_labelled(data_root, self.table, _from_config, self.title)


def _from_config(config: Any) -> HiAMLNet:
    if not isinstance(config, list) or not all(isinstance(name, str) for name in config):
        raise ValueError("its net_config is a list of block names")
    return HiAMLNet(tuple(name.removeprefix(_PREFIX) for name in config))


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
