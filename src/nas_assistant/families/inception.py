"""Inception: stages of one to four parallel sequences of operations.

Published with Mills et al. 2023, "GENNAPE: Towards Generalized Neural Architecture Performance Estimators".
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._gennape_labels import read_labelled
from nas_assistant.families._gennape_layers import ConvBN
from nas_assistant.families._inception_layers import (
    CONVOLUTIONS,
    OPERATIONS,
    SUPPLEMENTS,
    PathModule,
    resizing,
)

STEM = 32
HEAD = 512
STAGES = 4
MIN_WIDTH = 16

MAX_BLOCKS, MAX_PATHS, MAX_OPERATIONS, MAX_WIDTH = 16, 8, 32, 4096
"""Far beyond the space: an encoding outside is damaged."""

_LONGEST = {1: 3, 2: 4, 3: 8, 4: 10}
_SHORTEST = {1: 1, 2: 1, 3: 2, 4: 2}
_PATH = re.compile(r"([a-z0-9_+]{1,400}):(\d{1,4})>(\d{1,4})")
_STAGE = re.compile(r"(\d{1,4})x(\d{1,4})/([12]) (.+)")


@dataclass(frozen=True, slots=True)
class Route:
    """One path of a block.

    Attributes:
        operations: Names in order; at least one may change the width.
        internal: Channels from the first of those that may on.
        outputs: Channels from the last of those on.

    Raises:
        UserError: One of them is something else.
    """

    operations: tuple[str, ...]
    internal: int
    outputs: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.operations) <= MAX_OPERATIONS:
            raise UserError(f"a path of an Inception block has 1 to {MAX_OPERATIONS} operations")
        for operation in self.operations:
            if operation not in OPERATIONS:
                raise UserError(
                    f"Inception has no operation {operation!r:.40}: choose one of {', '.join(OPERATIONS)}"
                )
        if not set(self.operations) & set(CONVOLUTIONS):
            raise UserError(f"a path of an Inception block has one of {', '.join(CONVOLUTIONS)}")
        if not (2 <= self.internal <= MAX_WIDTH and 2 <= self.outputs <= MAX_WIDTH):
            raise UserError(f"the widths of an Inception path are 2 to {MAX_WIDTH} channels")
        if len(resizing(self.operations)) == 1 and self.internal != self.outputs:
            raise UserError(
                f"the Inception path {'+'.join(self.operations)} changes its width once: its widths "
                f"{self.internal} and {self.outputs} must be equal"
            )

    def __str__(self) -> str:
        return f"{'+'.join(self.operations)}:{self.internal}>{self.outputs}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A block and how often it is repeated.

    Attributes:
        blocks: How often.
        outputs: Channels that each block gives.
        stride: Of the first block, 1 or 2.
        paths: What the block computes side by side.

    Raises:
        UserError: One of them is something else.
    """

    blocks: int
    outputs: int
    stride: int
    paths: tuple[Route, ...]

    def __post_init__(self) -> None:
        if not (1 <= self.blocks <= MAX_BLOCKS and 1 <= len(self.paths) <= MAX_PATHS):
            raise UserError(f"an Inception stage has 1 to {MAX_BLOCKS} blocks of 1 to {MAX_PATHS} paths")
        if self.stride not in (1, 2) or not 1 <= self.outputs <= MAX_WIDTH:
            raise UserError(f"an Inception stage has stride 1 or 2 and up to {MAX_WIDTH} channels")

    def __str__(self) -> str:
        return f"{self.blocks}x{self.outputs}/{self.stride} {' '.join(map(str, self.paths))}"


@dataclass(frozen=True, slots=True)
class InceptionNet:
    """A network of the space.

    Raises:
        UserError: There are not four stages.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if len(self.stages) != STAGES:
            raise UserError(f"an Inception network has {STAGES} stages, this one {len(self.stages)}")

    def __str__(self) -> str:
        return " | ".join(map(str, self.stages))


class InceptionBlock(nn.Module):
    """Paths side by side; where their widths do not add up to ``outputs``, a 1x1 convolution follows.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.
    """

    def __init__(self, paths: tuple[Route, ...], inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            PathModule(path.operations, inputs, path.internal, path.outputs, stride) for path in paths
        )
        width = sum(path.outputs for path in paths)
        self.projection = nn.Identity() if width == outputs else ConvBN(width, outputs, 1, bias=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Concatenate what the paths give; the input is added where the shape stays."""
        outs = [path(x) for path in self.paths]
        out: torch.Tensor = self.projection(outs[0] if len(outs) == 1 else torch.cat(outs, dim=1))
        return out + x if self.residual else out


class InceptionNetwork(nn.Module):
    """Stem, the stages, a convolution to 512 channels, a dense head.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``; labels are of 32 x 32 images.
    """

    def __init__(self, net: InceptionNet, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBN(3, STEM, 3, bias=True, activation=nn.ReLU6())
        self.stages = nn.ModuleList()
        width = STEM
        for stage in net.stages:
            blocks = []
            for place in range(stage.blocks):
                stride = 1 if place else stage.stride
                blocks.append(InceptionBlock(stage.paths, width, stage.outputs, stride))
                width = stage.outputs
            self.stages.append(nn.Sequential(*blocks))
        self.head = ConvBN(width, HEAD, 3, bias=True, activation=nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(HEAD, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of images."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        out: torch.Tensor = self.classifier(torch.flatten(self.pool(self.head(x)), 1))
        return out


class Inception(BaseFamily[InceptionNet]):
    """An open-ended space, of which GENNAPE trained some 580 networks."""

    name = "inception"
    title = "Inception"
    label = "CIFAR-10 accuracy, the best that GENNAPE measured"
    table = "inception_cifar10_labelled_cg_data.json"

    def build(self, encoding: InceptionNet) -> nn.Module:
        """Build the network of four stages."""
        return InceptionNetwork(encoding, self.num_classes)

    def sample(self, rng: random.Random) -> InceptionNet:
        """Two to six blocks a stage, of paths drawn as GENNAPE's code does.

        The labelled networks were drawn with other limits: some of their paths are longer.
        """
        stages = []
        for place in range(STAGES):
            width = STEM << place
            blocks, paths = rng.randint(2, 6), _sample_paths(rng, width)
            stages.append(Stage(blocks, width, 2 if place else 1, paths))
        return InceptionNet(tuple(stages))

    def parse(self, text: str) -> InceptionNet:
        """Read four stages parted by bars: ``2x64/2 conv5x5+double1x1:128>64 conv3x3:64>64 | ...``.

        A stage is its blocks, channels and stride, then its paths, each with the two widths that it has.
        """
        stages = []
        for part in text.split("|"):
            found = _STAGE.fullmatch(part.strip())
            if found is None or not found.string.isascii():
                raise _not_a_network(text)
            paths = tuple(_parse_path(path, text) for path in found[4].split())
            stages.append(Stage(int(found[1]), int(found[2]), int(found[3]), paths))
        return InceptionNet(tuple(stages))

    def format(self, encoding: InceptionNet) -> str:
        """The stages, parted by bars."""
        return str(encoding)

    def read_labels(self, data_root: Path) -> list[Network[InceptionNet]]:
        """Read GENNAPE's public file; a ``net_config`` has four ``stages``, each with a ``block``."""
        return read_labelled(data_root, self.table, _from_config, self.title)


def _parse_path(path: str, text: str) -> Route:
    found = _PATH.fullmatch(path)
    if found is None:
        raise _not_a_network(text)
    return Route(tuple(found[1].split("+")), int(found[2]), int(found[3]))


def _not_a_network(text: str) -> UserError:
    shown = text if len(text) <= 200 else text[:200] + "..."
    return UserError(f"not an Inception network: {shown!r}; write four stages such as 2x32/1 conv3x3:32>32")


def _sample_paths(rng: random.Random, width: int) -> tuple[Route, ...]:
    number = rng.randint(1, 4)
    widths = [width // number] * (number - 1)
    if number == 3:
        widths = [width // 4 * 2, width // 4]
    widths.append(width - sum(widths))
    rng.shuffle(widths)
    paths, left = [], _LONGEST[number]
    for place, outputs in enumerate(widths):
        shortest = _SHORTEST[number]
        length = rng.randint(shortest, left - shortest * (number - place - 1))
        left -= length
        paths.append(_sample_path(rng, length, max(MIN_WIDTH, outputs)))
    return tuple(paths)


def _sample_path(rng: random.Random, length: int, outputs: int) -> Route:
    operations = [rng.choice(CONVOLUTIONS)]
    supplemented = False
    for _ in range(length - 1):
        supplement = not supplemented and rng.random() < len(SUPPLEMENTS) / len(OPERATIONS)
        supplemented |= supplement
        operations.append(rng.choice(SUPPLEMENTS if supplement else CONVOLUTIONS))
    rng.shuffle(operations)
    internal = outputs
    if len(resizing(operations)) > 1:
        internal = rng.choices((outputs // 2, outputs, outputs * 2), (3, 6, 1))[0]
    return Route(tuple(operations), max(MIN_WIDTH, internal), outputs)


def _from_config(config: Any) -> InceptionNet:
    stages: list[Stage] = []
    width = STEM
    for stage in config["stages"] if isinstance(config, dict) else config:
        block = stage["block"]
        paths = tuple(
            Route(tuple(map(str, path["ops"])), int(path["C_internal"]), int(path["C_out"]))
            for path in (block["paths"] if isinstance(block, dict) else block)
        )
        if int(stage["C_in"]) != width:
            raise ValueError(
                f"stage {len(stages) + 1} reads {stage['C_in']} channels where there are {width}"
            )
        width = int(stage["C_out"])
        stages.append(Stage(int(stage["n_blocks"]), width, int(stage["stride"]), paths))
    return InceptionNet(tuple(stages))
