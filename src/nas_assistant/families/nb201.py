"""NAS-Bench-201: every cell of four nodes and five operations, trained on CIFAR-10.

The topology space of NATS-Bench (Dong and Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible
Neural Architecture Search", section 2).
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._data import read_table, require

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The choices of an edge, by their published names."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges ``(source, target)`` of a cell, in the order of its string."""

_TERM = re.compile(r"(\w+)~(\d)")


@dataclass(frozen=True, slots=True)
class NB201Cell:
    """A cell: one operation on each edge of :data:`EDGES`; node 0 is its input and node 3 its output.

    Attributes:
        operations: Six names of :data:`OPERATIONS`.

    Raises:
        UserError: There are not six operations, or one is unknown.
    """

    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.operations) != len(EDGES):
            raise UserError(
                f"a NAS-Bench-201 cell has {len(EDGES)} operations, this one {len(self.operations)}"
            )
        for operation in self.operations:
            if operation not in OPERATIONS:
                raise UserError(
                    f"NAS-Bench-201 has no operation {operation!r}: choose one of {', '.join(OPERATIONS)}"
                )

    @classmethod
    def from_string(cls, text: str) -> NB201Cell:
        """Read the published form, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``.

        Raises:
            UserError: The text has another form.
        """
        cell = None
        terms = _TERM.findall(text)
        if len(terms) == len(EDGES):
            cell = cls(tuple(operation for operation, _ in terms))
        if cell is None or str(cell) != text:
            raise UserError(
                f"not a NAS-Bench-201 cell: {text!r}; write |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one "
                f"of {', '.join(OPERATIONS)}"
            )
        return cell

    def __str__(self) -> str:
        nodes = []
        for node in (1, 2, 3):
            terms = [f"{op}~{source}" for source, target, op in self._edges() if target == node]
            nodes.append("|" + "|".join(terms) + "|")
        return "+".join(nodes)

    def _edges(self) -> list[tuple[int, int, str]]:
        return [(*edge, operation) for edge, operation in zip(EDGES, self.operations, strict=True)]

    def live_edges(self) -> tuple[tuple[int, int, str], ...]:
        """The edges ``(source, target, operation)`` on a path from input to output without ``none``."""
        edges = [edge for edge in self._edges() if edge[2] != "none"]
        reached, useful = {0}, {3}
        for source, target, _ in edges:
            if source in reached:
                reached.add(target)
        for source, target, _ in reversed(edges):
            if target in useful:
                useful.add(source)
        return tuple(edge for edge in edges if edge[0] in reached and edge[1] in useful)

    def functional_form(self) -> str:
        """A text that is equal for two cells when they compute the same function of the same weights.

        Terms that are zero are dropped and identities are flattened into the sum they feed, where a doubled
        term stays doubled: 4,930 forms for the 15,625 cells. Split a data set by this, not by the string.
        """
        sums: list[tuple[str, ...]] = [("x",), (), (), ()]
        for node in (1, 2, 3):
            terms: list[str] = []
            for source, target, operation in self._edges():
                if target != node or operation == "none" or not sums[source]:
                    continue
                if operation == "skip_connect":
                    terms.extend(sums[source])
                else:
                    terms.append(f"{operation}({'+'.join(sums[source])})")
            sums[node] = tuple(sorted(terms))
        return "+".join(sums[3]) or "0"


@cache
def _cells_by_form() -> dict[str, tuple[NB201Cell, ...]]:
    found: dict[str, list[NB201Cell]] = {}
    for cell in all_cells():
        found.setdefault(cell.functional_form(), []).append(cell)
    return {form: tuple(cells) for form, cells in found.items()}


def all_cells() -> list[NB201Cell]:
    """The whole space, 15,625 cells, in the order of the product of :data:`OPERATIONS`."""
    return [NB201Cell(choice) for choice in itertools.product(OPERATIONS, repeat=len(EDGES))]


class ReLUConvBN(nn.Module):
    """ReLU, then a convolution without bias, then batch norm.

    Shape: ``(N, in, H, W)`` to ``(N, out, H / stride, W / stride)``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three in order."""
        x = self.relu(x)
        x = self.conv(x)
        out: Tensor = self.norm(x)
        return out


def _operation(name: str, channels: int) -> nn.Module:
    if name == "nor_conv_1x1":
        return ReLUConvBN(channels, channels, kernel=1)
    if name == "nor_conv_3x3":
        return ReLUConvBN(channels, channels, kernel=3)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Identity()


class Cell(nn.Module):
    """One cell at a fixed width.

    Modules on edges that lead nowhere are kept, as in the trained networks, so that parameters agree with
    the published ones; they do not run.

    Shape: ``(N, channels, H, W)`` to the same.
    """

    def __init__(self, cell: NB201Cell, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"from{source}to{target}": _operation(operation, channels)
                for (source, target), operation in zip(EDGES, cell.operations, strict=True)
                if operation != "none"
            }
        )
        self._live = [(source, target) for source, target, _ in cell.live_edges()]

    def forward(self, x: Tensor) -> Tensor:
        """Sum at each node what its live edges bring; an output that nothing reaches is zero."""
        nodes = {0: x}
        for source, target in self._live:
            out = self.edges[f"from{source}to{target}"](nodes[source])
            nodes[target] = nodes[target] + out if target in nodes else out
        return nodes[3] if 3 in nodes else torch.zeros_like(x)


class ReductionBlock(nn.Module):
    """Residual block that halves the resolution; its shortcut has no batch norm.

    Shape: ``(N, in, H, W)`` to ``(N, out, H / 2, W / 2)``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ReLUConvBN(in_channels, out_channels, kernel=3, stride=2)
        self.conv2 = ReLUConvBN(out_channels, out_channels, kernel=3)
        self.pool = nn.AvgPool2d(2)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the pooled shortcut to the two convolutions."""
        out = self.conv2(self.conv1(x))
        return out + self.shortcut(self.pool(x))  # type: ignore[no-any-return]


class NB201Network(nn.Module):
    """The network behind a NAS-Bench-201 label: three stages of cells with residual blocks between them.

    Shape: ``(N, 3, H, W)`` to ``(N, num_classes)``; labels are of 32 x 32 images.

    Args:
        cell: The cell, the same in every place.
        channels: Width of the first stage; it doubles at each reduction.
        cells: Cells in a stage.
        num_classes: Classes of the data.
    """

    def __init__(self, cell: NB201Cell, channels: int = 16, cells: int = 5, num_classes: int = 10) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.stage1 = nn.Sequential(*(Cell(cell, channels) for _ in range(cells)))
        self.reduce1 = ReductionBlock(channels, 2 * channels)
        self.stage2 = nn.Sequential(*(Cell(cell, 2 * channels) for _ in range(cells)))
        self.reduce2 = ReductionBlock(2 * channels, 4 * channels)
        self.stage3 = nn.Sequential(*(Cell(cell, 4 * channels) for _ in range(cells)))
        self.norm = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.stem_norm(self.stem_conv(x))
        x = self.reduce1(self.stage1(x))
        x = self.reduce2(self.stage2(x))
        x = self.relu(self.norm(self.stage3(x)))
        x = torch.flatten(self.pool(x), 1)
        out: Tensor = self.classifier(x)
        return out


class NB201(BaseFamily[NB201Cell]):
    """All 15,625 cells, trained for 200 epochs; the metadata has the other labels, as fractions too.

    ``cifar10_test_12`` and its like are of 12 epochs; never mix them with those of 200.
    """

    name = "nb201"
    title = "NAS-Bench-201"
    label = "CIFAR-10 test accuracy, 200 epochs, mean of the seeds"
    table = "nb201.csv.gz"

    def build(self, encoding: NB201Cell) -> nn.Module:
        """Build the network of a cell."""
        return NB201Network(encoding)

    def source(self, encoding: NB201Cell) -> str:
        """The network of a cell as a file, without its operations that lead nowhere."""
        from nas_assistant.families._nb201_source import write_source

        return write_source(encoding)

    def recognise(self, graph: ComputationalGraph) -> list[NB201Cell]:
        """The cells with the functional form of a graph's cells, one for each set of live edges.

        None where no path leads from input to output.
        """
        from nas_assistant.families._nb201_source import read_form

        form = read_form(graph)
        found = () if form is None else _cells_by_form().get(form, ())
        return list({cell.live_edges(): cell for cell in found}.values())

    def identity(self, encoding: NB201Cell) -> str:
        """The functional form."""
        return encoding.functional_form()

    def neighbour(self, encoding: NB201Cell, rng: random.Random) -> NB201Cell:
        """Another operation on one edge."""
        operations = list(encoding.operations)
        place = rng.randrange(len(operations))
        operations[place] = rng.choice([name for name in OPERATIONS if name != operations[place]])
        return NB201Cell(tuple(operations))

    def traits(self, encoding: NB201Cell) -> list[str]:
        """The terms of the functional form."""
        return encoding.functional_form().split("+")

    def sample(self, rng: random.Random) -> NB201Cell:
        """Any operation on each edge, all equally likely."""
        return NB201Cell(tuple(rng.choice(OPERATIONS) for _ in EDGES))

    def parse(self, text: str) -> NB201Cell:
        """Read the published form, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        return NB201Cell.from_string(text)

    def format(self, encoding: NB201Cell) -> str:
        """The published form."""
        return str(encoding)

    def views(self, networks: list[Network[NB201Cell]]) -> dict[str, list[Network[NB201Cell]]]:
        """The space as it is, by distinct function, and of those the ones without ``none``."""
        distinct = list({n.encoding.functional_form(): n for n in reversed(networks)}.values())[::-1]
        full = [network for network in distinct if "none" not in network.encoding.operations]
        return {"whole space": networks, "distinct": distinct, "distinct, without none": full}

    def read_labels(self, data_root: Path) -> list[Network[NB201Cell]]:
        """Read ``nb201.csv.gz``.

        The public NATS-Bench comes as pickles, which are never loaded here: export it to this table's
        columns, ``index, arch_str, cifar10_test_200`` and any further ones in percent.
        """
        original = (
            "NATS-Bench's pickles are not loaded, as they may carry code: export them as a CSV "
            "with columns index, arch_str, cifar10_test_200"
        )
        path = require(data_root, self.table, original)
        return read_table(path, _network, self.title)


def _network(row: dict[str, str]) -> Network[NB201Cell]:
    label = "cifar10_test_200"
    further = {
        name: float(value) / 100 for name, value in row.items() if name not in ("index", "arch_str", label)
    }
    return Network(row["index"], NB201Cell.from_string(row["arch_str"]), float(row[label]) / 100, further)
