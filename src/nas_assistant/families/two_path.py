"""Two-Path: two sequences of blocks side by side, concatenated before the head.

Published with Mills et al. 2023, "GENNAPE: Towards Generalized Neural Architecture Performance Estimators".
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._gennape_labels import PRUNED, pruned, read_labelled
from nas_assistant.families._gennape_layers import ConvBN, ConvPair, batch_norm

CONVOLUTIONS = (
    "conv3x3",
    "double3x3",
    "conv5x5",
    "bottleneck-r2-k3",
    "bottleneck-r4-k3",
    "bottleneck-e2-k3",
    "inception_s3x3",
    "inception_s5x5",
)
"""Operations that may change width and resolution; a block has at least one."""

SUPPLEMENTS = ("conv1x1", "bottleneck-r2-k1", "bottleneck-e2-k1", "avgpool3x3", "maxpool3x3")
"""Operations of which a block has one at most."""

STEM = 32
HEAD = 512

_BOTTLENECK = re.compile(r"bottleneck-([re])(\d)-k(\d)")
_KERNEL = re.compile(r"(\d)x\d")

Block = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the two paths.

    Attributes:
        blocks: Two to four blocks of one to three operations each.
        reduce: Two blocks, by their index, that halve the resolution and double the width.

    Raises:
        UserError: One of them is something else.
    """

    blocks: tuple[Block, ...]
    reduce: tuple[int, int]

    def __post_init__(self) -> None:
        if not 2 <= len(self.blocks) <= 4:
            raise UserError(f"a path of a Two-Path network has 2 to 4 blocks, this one {len(self.blocks)}")
        for block in self.blocks:
            check_block(block)
        low, high = (*self.reduce, -1, -1)[:2]
        if len(self.reduce) != 2 or not 0 <= low < high < len(self.blocks):
            raise UserError(
                f"a path of {len(self.blocks)} blocks names two of them to reduce, in order and from 0"
            )

    def __str__(self) -> str:
        return " ".join("+".join(block) for block in self.blocks) + " @" + ",".join(map(str, self.reduce))


@dataclass(frozen=True, slots=True)
class TwoPathNet:
    """A network of the space: two paths."""

    path1: Branch
    path2: Branch

    def __str__(self) -> str:
        return f"{self.path1} | {self.path2}"


def check_block(block: Block) -> None:
    """Check a sequence of operations.

    Raises:
        UserError: It is no block of the space.
    """
    if not 1 <= len(block) <= 3:
        raise UserError(f"a block of a Two-Path network has 1 to 3 operations, this one {len(block)}")
    for operation in block:
        if operation not in CONVOLUTIONS and operation not in SUPPLEMENTS:
            raise UserError(
                f"Two-Path has no operation {operation!r:.40}: choose one of "
                f"{', '.join((*CONVOLUTIONS, *SUPPLEMENTS))}"
            )
    supplements = sum(operation in SUPPLEMENTS for operation in block)
    if supplements > 1 or supplements == len(block):
        raise UserError(
            f"block {'+'.join(block)} of a Two-Path network: at least one operation is one of "
            f"{', '.join(CONVOLUTIONS)}, at most one is another"
        )


class Bottleneck(nn.Sequential):
    """Two convolutions with batch norm through another width; no activation, as in the published graphs."""

    def __init__(self, inputs: int, inner: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(ConvBN(inputs, inner, kernel, stride), ConvBN(inner, outputs, kernel))


def _operation(name: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    bottleneck = _BOTTLENECK.fullmatch(name)
    if bottleneck:
        kind, factor, size = bottleneck[1], int(bottleneck[2]), int(bottleneck[3])
        inner = inputs * factor if kind == "e" else max(1, inputs // factor)
        return Bottleneck(inputs, inner, outputs, size, stride)
    kernel = int(_KERNEL.findall(name)[0])
    if name.startswith("avgpool"):
        return nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), batch_norm(outputs))
    if name.startswith("maxpool"):
        return nn.Sequential(nn.MaxPool2d(3, 1, 1), batch_norm(outputs))
    if name.startswith("inception_s"):
        return ConvPair(inputs, outputs, kernel, ((stride, stride), (1, 1)))
    if name.startswith("double"):
        return nn.Sequential(
            ConvBN(inputs, inputs, kernel, stride, activation=nn.ReLU6()),
            ConvBN(inputs, outputs, kernel, activation=nn.ReLU6()),
        )
    return ConvBN(inputs, outputs, kernel, stride, activation=nn.ReLU6())


class TwoPathBlock(nn.Module):
    """Operations in order; the input is added where the stride is 1.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.
    """

    def __init__(self, block: Block, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        changing = next(place for place, name in enumerate(block) if name in CONVOLUTIONS)
        modules = []
        for place, name in enumerate(block):
            before = inputs if place <= changing else outputs
            after = inputs if place < changing else outputs
            modules.append(_operation(name, before, after, stride if place == changing else 1))
        self.operations = nn.Sequential(*modules)
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Run the operations; no activation follows the sum."""
        out: Tensor = self.operations(x)
        return out + x if self.residual else out


class TwoPathNetwork(nn.Module):
    """Two stem convolutions, the two paths on what they give, a convolution of both results, a dense head.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``; labels are of 32 x 32 images.
    """

    def __init__(self, net: TwoPathNet, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvBN(3, STEM, 3, activation=nn.ReLU6()), ConvBN(STEM, STEM, 3, 2, activation=nn.ReLU6())
        )
        self.path1 = _sequence(net.path1)
        self.path2 = _sequence(net.path2)
        self.head = ConvBN(2 * 4 * STEM, HEAD, 3, activation=nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(HEAD, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.stem(x)
        x = self.head(torch.cat([self.path1(x), self.path2(x)], dim=1))
        out: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return out


def _sequence(path: Branch) -> nn.Sequential:
    width, modules = STEM, []
    for place, block in enumerate(path.blocks):
        stride = 2 if place in path.reduce else 1
        modules.append(TwoPathBlock(block, width, width * stride, stride))
        width *= stride
    return nn.Sequential(*modules)


class TwoPath(BaseFamily[TwoPathNet]):
    """Some 10^27 networks, of which GENNAPE trained some 6,900.

    The networks are those of the published graphs, whose bottlenecks have no activation, unlike GENNAPE's
    PyTorch code.
    """

    name = "two_path"
    title = "Two-Path"
    label = "CIFAR-10 accuracy, the best that GENNAPE measured"
    table = "gpi_test_two_path_cifar10_labelled_cg_data.json"

    def build(self, encoding: TwoPathNet) -> nn.Module:
        """Build the network of two paths."""
        return TwoPathNetwork(encoding, self.num_classes)

    def sample(self, rng: random.Random) -> TwoPathNet:
        """Two paths drawn as GENNAPE does: number of blocks and of operations uniform."""
        return TwoPathNet(_sample_path(rng), _sample_path(rng))

    def parse(self, text: str) -> TwoPathNet:
        """Read ``conv5x5 conv5x5 @0,1 | double3x3+conv1x1 conv3x3 conv3x3 @1,2``.

        A path is blocks parted by spaces, their operations joined with ``+``, and the two blocks that reduce.
        """
        paths = text.split("|")
        if len(paths) != 2:
            raise _not_a_network(text)
        return TwoPathNet(_parse_path(paths[0], text), _parse_path(paths[1], text))

    def format(self, encoding: TwoPathNet) -> str:
        """Both paths, parted by a bar."""
        return str(encoding)

    def views(self, networks: list[Network[TwoPathNet]]) -> dict[str, list[Network[TwoPathNet]]]:
        """All networks, and those that GENNAPE keeps, whose accuracies differ."""
        return {"all": networks, PRUNED: pruned(networks)}

    def read_labels(self, data_root: Path) -> list[Network[TwoPathNet]]:
        """Read GENNAPE's public file; a ``net_config`` has ``path1``, ``path1_reduce_inds`` and so on."""
        return read_labelled(data_root, self.table, _from_config, self.title)


def _sample_path(rng: random.Random) -> Branch:
    blocks = tuple(_sample_block(rng) for _ in range(rng.randint(2, 4)))
    first, second = sorted(rng.sample(range(len(blocks)), 2))
    return Branch(blocks, (first, second))


def _sample_block(rng: random.Random) -> Block:
    operations = [rng.choice(CONVOLUTIONS)]
    share = len(SUPPLEMENTS) / (len(SUPPLEMENTS) + len(CONVOLUTIONS))
    supplemented = False
    for _ in range(rng.randint(1, 3) - 1):
        supplement = not supplemented and rng.random() < share
        supplemented |= supplement
        operations.append(rng.choice(SUPPLEMENTS if supplement else CONVOLUTIONS))
    rng.shuffle(operations)
    return tuple(operations)


def _parse_path(path: str, text: str) -> Branch:
    *blocks, reduce = path.split() or [""]
    found = re.fullmatch(r"@([0-3]),([0-3])", reduce)
    if found is None:
        raise _not_a_network(text)
    return Branch(tuple(tuple(block.split("+")) for block in blocks), (int(found[1]), int(found[2])))


def _not_a_network(text: str) -> UserError:
    shown = text if len(text) <= 200 else text[:200] + "..."
    return UserError(f"not a Two-Path network: {shown!r}; write conv3x3 conv3x3 @0,1 | conv3x3 conv3x3 @0,1")


def _from_config(config: Any) -> TwoPathNet:
    return TwoPathNet(*(_path_from_config(config, name) for name in ("path1", "path2")))


def _path_from_config(config: Any, name: str) -> Branch:
    blocks = tuple(tuple(str(operation) for operation in block["op_names"]) for block in config[name])
    first, second = sorted(int(place) for place in config[f"{name}_reduce_inds"])
    return Branch(blocks, (first, second))
