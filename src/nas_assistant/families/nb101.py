"""NAS-Bench-101 (Ying et al. 2019, "NAS-Bench-101: Towards Reproducible Neural Architecture Search")."""

from __future__ import annotations

import hashlib
import itertools
import random
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._data import read_table, require
from nas_assistant.families._nb101_records import FILES, Trainings, read_trainings

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES = 7
MAX_EDGES = 9

_SINGLE = 100
"""Attempts at a single change before changes add up."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: a directed acyclic graph from vertex 0, the input, to the last vertex, the output.

    Attributes:
        vertices: 2 to 7.
        edges: Pairs ``(source, target)`` with ``source < target``.
        operations: Index into :data:`OPERATIONS` of each vertex between input and output.

    Raises:
        UserError: One of them is something else.
    """

    vertices: int
    edges: frozenset[tuple[int, int]]
    operations: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= self.vertices <= MAX_VERTICES:
            raise UserError(f"a NAS-Bench-101 cell has 2 to {MAX_VERTICES} vertices, not {self.vertices}")
        if len(self.operations) != self.vertices - 2 or not set(self.operations) <= {0, 1, 2}:
            raise UserError(
                f"a cell of {self.vertices} vertices has {self.vertices - 2} operations, each 0, 1 or 2, not "
                f"{self.operations}"
            )
        if not all(0 <= source < target < self.vertices for source, target in self.edges):
            raise UserError("an edge of a NAS-Bench-101 cell leads from a vertex to a later one")

    @classmethod
    def parse(cls, vertices: int, bits: str, digits: str) -> Cell:
        """Read the compact form: bits of the upper triangle row by row, one digit an operation.

        Raises:
            UserError: The lengths do not fit, or a character is none of these.
        """
        if not 2 <= vertices <= MAX_VERTICES:
            raise UserError(f"a NAS-Bench-101 cell has 2 to {MAX_VERTICES} vertices, not {vertices}")
        pairs = _pairs(vertices)
        digits = "" if digits == "-" else digits
        if len(bits) != len(pairs) or len(digits) != vertices - 2:
            raise UserError(
                f"a cell of {vertices} vertices has {len(pairs)} bits and {vertices - 2} operations"
            )
        if not set(bits) <= set("01") or not set(digits) <= set("012"):
            raise UserError(f"a cell is bits 0 and 1 and operations 0, 1 and 2, not {bits!r} and {digits!r}")
        edges = frozenset(pair for pair, bit in zip(pairs, bits, strict=True) if bit == "1")
        return cls(vertices, edges, tuple(int(digit) for digit in digits))

    def __str__(self) -> str:
        bits = "".join(str(int(pair in self.edges)) for pair in _pairs(self.vertices))
        return f"{self.vertices} {bits} {''.join(map(str, self.operations)) or '-'}"

    def sources(self, vertex: int) -> list[int]:
        """Vertices that ``vertex`` reads."""
        return [source for source in range(vertex) if (source, vertex) in self.edges]

    def targets(self, vertex: int) -> list[int]:
        """Vertices that read ``vertex``."""
        return [target for target in range(vertex + 1, self.vertices) if (vertex, target) in self.edges]

    def fingerprint(self) -> str:
        """The benchmark's hash: equal for isomorphic cells."""
        labels = [-1, *self.operations, -2]
        hashes = [
            _md5(str((len(self.targets(v)), len(self.sources(v)), labels[v]))) for v in range(self.vertices)
        ]
        for _ in range(self.vertices):
            hashes = [
                _md5(
                    "".join(sorted(hashes[s] for s in self.sources(v)))
                    + "|"
                    + "".join(sorted(hashes[t] for t in self.targets(v)))
                    + "|"
                    + hashes[v]
                )
                for v in range(self.vertices)
            ]
        return _md5(str(sorted(hashes)))

    def channels(self, inputs: int, outputs: int) -> list[int]:
        """Channels of each vertex; those that the output reads share ``outputs`` among them."""
        last = self.vertices - 1
        final = [v for v in self.sources(last) if v != 0]
        widths = [0] * self.vertices
        widths[0], widths[last] = inputs, outputs
        for position, vertex in enumerate(final):
            widths[vertex] = outputs // len(final) + int(position < outputs % len(final))
        for vertex in range(last - 1, 0, -1):
            if vertex not in final:
                widths[vertex] = max(widths[t] for t in self.targets(vertex) if t != last)
        return widths


class ConvBnRelu(nn.Sequential):
    """Convolution of stride 1, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.003),
            nn.ReLU(),
        )


class CellModule(nn.Module):
    """One cell as a module, from ``inputs`` to ``outputs`` channels."""

    def __init__(self, cell: Cell, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cell = cell
        self.widths = cell.channels(inputs, outputs)
        last = cell.vertices - 1
        self.projections = nn.ModuleDict(
            {str(v): ConvBnRelu(inputs, self.widths[v], 1) for v in cell.targets(0)}
        )
        self.operations = nn.ModuleDict({str(v): self._operation(v) for v in range(1, last)})

    def _operation(self, vertex: int) -> nn.Module:
        kind, width = self.cell.operations[vertex - 1], self.widths[vertex]
        return nn.MaxPool2d(3, stride=1, padding=1) if kind == 2 else ConvBnRelu(width, width, 3 - 2 * kind)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the cell on ``(batch, inputs, H, W)``."""
        last = self.cell.vertices - 1
        values: dict[int, torch.Tensor] = {}
        for vertex in range(1, last):
            width = self.widths[vertex]
            terms = [values[s][:, :width] for s in self.cell.sources(vertex) if s != 0]
            if str(vertex) in self.projections:
                terms.append(self.projections[str(vertex)](x))
            values[vertex] = self.operations[str(vertex)](_sum(terms))
        final = [values[s] for s in self.cell.sources(last) if s != 0]
        terms = [final[0] if len(final) == 1 else torch.cat(final, dim=1)] if final else []
        if str(last) in self.projections:
            terms.append(self.projections[str(last)](x))
        return _sum(terms)


class NB101Network(nn.Module):
    """The macro skeleton: a stem, three stacks of three cells, a pool between them, a dense head."""

    def __init__(self, cell: Cell, stem: int = 128, cells: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBnRelu(3, stem, 3)
        stacks: list[nn.Module] = []
        width = stem
        for stack in range(3):
            outputs = stem * 2**stack
            modules: list[nn.Module] = [nn.MaxPool2d(2)] if stack else []
            for _ in range(cells):
                modules.append(CellModule(cell, width, outputs))
                width = outputs
            stacks.append(nn.Sequential(*modules))
        self.stacks = nn.Sequential(*stacks)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify ``(batch, 3, 32, 32)``."""
        features = self.stacks(self.stem(x))
        scores: torch.Tensor = self.classifier(features.mean(dim=(2, 3)))
        return scores


class NB101(BaseFamily[Cell]):
    """423,624 cells, each trained for 4, 12, 36 and 108 epochs."""

    name = "nb101"
    title = "NAS-Bench-101"
    label = "CIFAR-10 validation accuracy, 108 epochs, one seed"
    table = "nb101.csv.gz"

    def build(self, encoding: Cell) -> nn.Module:
        """Build the network of a cell, without its vertices that lead nowhere.

        Raises:
            UserError: The input does not reach the output.
        """
        return NB101Network(_pruned(encoding))

    def source(self, encoding: Cell) -> str:
        """The network of a cell as a file, without its vertices that lead nowhere."""
        from nas_assistant.families._nb101_source import write_source

        return write_source(_pruned(encoding))

    def recognise(self, graph: ComputationalGraph) -> list[Cell]:
        """The cell of a graph, or none."""
        from nas_assistant.families._nb101_source import read_cell

        found = read_cell(graph)
        cell = None if found is None else prune(Cell(*found))
        return [] if cell is None or len(cell.edges) > MAX_EDGES else [cell]

    def identity(self, encoding: Cell) -> str:
        """The benchmark's hash of the pruned cell."""
        return _pruned(encoding).fingerprint()

    def identity_of(self, network: Network[Cell]) -> str:
        """Its key, which is the benchmark's hash."""
        return network.key

    def neighbour(self, encoding: Cell, rng: random.Random) -> Cell:
        """One edge or one operation changed in the cell, filled up to seven vertices, until it is valid.

        Where no single change is, as in a cell of two vertices, changes add up.
        """
        before = _pruned(encoding)
        start = cell = _filled(before)
        for attempt in itertools.count():
            cell = _changed(start if attempt < _SINGLE else cell, rng)
            changed = prune(cell)
            if changed is not None and len(changed.edges) <= MAX_EDGES and changed != before:
                return changed
        raise AssertionError("a random walk over all cells meets a valid one")

    def traits(self, encoding: Cell) -> list[str]:
        """Every path from input to output, as often as it is there (White et al. 2021, "BANANAS")."""
        cell = _pruned(encoding)
        last = cell.vertices - 1
        paths: dict[int, list[str]] = {0: [""]}
        for vertex in range(1, last + 1):
            kind = "" if vertex == last else str(cell.operations[vertex - 1])
            paths[vertex] = [path + kind for source in cell.sources(vertex) for path in paths[source]]
        counts = [f"edges {len(cell.edges)}", f"outputs {len(cell.sources(last))}"]
        counts += [f"inputs {len(cell.targets(0))}", *(f"kind {kind}" for kind in cell.operations)]
        return paths[last] + counts

    def parse(self, text: str) -> Cell:
        """Read ``7 100110100001001010101 02001``: vertices, bits row by row, operations (``-`` for none)."""
        match text.split():
            case [vertices, bits, digits] if vertices.isascii() and vertices.isdigit():
                return Cell.parse(int(vertices[:4]), bits, digits)
        raise UserError(f"not a NAS-Bench-101 cell: {text!r}; write vertices, bits and operations: 3 111 0")

    def format(self, encoding: Cell) -> str:
        """Vertices, bits and operations, parted by spaces."""
        return str(encoding)

    def sample(self, rng: random.Random) -> Cell:
        """Random bits and operations, drawn again until the pruned cell is valid."""
        pairs = _pairs(MAX_VERTICES)
        while True:
            edges = frozenset(pair for pair in pairs if rng.random() < 0.5)
            operations = tuple(rng.randrange(3) for _ in range(MAX_VERTICES - 2))
            cell = prune(Cell(MAX_VERTICES, edges, operations))
            if cell is not None and len(cell.edges) <= MAX_EDGES:
                return cell

    def read_labels(self, data_root: Path) -> list[Network[Cell]]:
        """Read ``nb101.csv.gz``, or else the public ``nasbench_full`` or ``nasbench_only108.tfrecord``.

        The table has one seed a cell; of the public file the label is the mean of the repeats.
        """
        for public in (data_root / name for name in FILES):
            if public.is_file() and not (data_root / self.table).is_file():
                return [_public(public, key, cell) for key, cell in read_trainings(public).items()]
        path = require(data_root, self.table, f"or the public {' or '.join(FILES)}")
        return read_table(path, _network, self.title)


def prune(cell: Cell) -> Cell | None:
    """Leave out vertices that the input does not reach or that do not reach the output.

    Returns:
        The cell with its vertices renumbered, or None when input and output are not connected.
    """
    forward, backward = {0}, {cell.vertices - 1}
    for vertex in range(cell.vertices):
        if vertex in forward:
            forward.update(cell.targets(vertex))
    for vertex in reversed(range(cell.vertices)):
        if vertex in backward:
            backward.update(cell.sources(vertex))
    kept = sorted(forward & backward)
    if not kept or kept[0] != 0 or kept[-1] != cell.vertices - 1:
        return None
    place = {vertex: index for index, vertex in enumerate(kept)}
    edges = frozenset((place[a], place[b]) for a, b in cell.edges if a in place and b in place)
    return Cell(len(kept), edges, tuple(cell.operations[v - 1] for v in kept[1:-1]))


def _pruned(encoding: Cell) -> Cell:
    cell = prune(encoding)
    if cell is None:
        raise UserError(f"the input of the NAS-Bench-101 cell {str(encoding)!r} does not reach its output")
    return cell


def _changed(cell: Cell, rng: random.Random) -> Cell:
    """One bit or one operation of a cell of seven vertices changed."""
    if rng.random() < 0.5:
        return replace(cell, edges=cell.edges ^ {rng.choice(_pairs(MAX_VERTICES))})
    operations = list(cell.operations)
    place = rng.randrange(len(operations))
    operations[place] = rng.choice([kind for kind in range(3) if kind != operations[place]])
    return replace(cell, operations=tuple(operations))


def _filled(cell: Cell) -> Cell:
    """The cell with vertices that lead nowhere put before its output, up to the most."""
    more, last = MAX_VERTICES - cell.vertices, cell.vertices - 1
    edges = frozenset((a, MAX_VERTICES - 1 if b == last else b) for a, b in cell.edges)
    return Cell(MAX_VERTICES, edges, cell.operations + (0,) * more)


def _network(row: dict[str, str]) -> Network[Cell]:
    cell = Cell.parse(int(row["n_vertices"]), row["adj_upper_tri_rowmajor"], row["ops_code"])
    metadata = {
        name: float(row[name])
        for name in ("val_acc_4ep", "val_acc_12ep", "val_acc_36ep", "trainable_parameters")
    }
    return Network(row["hash"], cell, float(row["val_acc_108ep"]), metadata)


def _public(path: Path, key: str, trainings: Trainings) -> Network[Cell]:
    vertices = len(trainings.operations)
    try:
        digits = "".join(str(OPERATIONS.index(name)) for name in trainings.operations[1:-1])
        cell = Cell.parse(vertices, trainings.bits, digits or "-")
        accuracy = mean(trainings.validation[108])
        metadata = {f"val_acc_{epochs}ep": mean(values) for epochs, values in trainings.validation.items()}
        metadata |= {f"test_acc_{epochs}ep": mean(values) for epochs, values in trainings.test.items()}
        metadata["trainable_parameters"] = float(trainings.parameters)
        return Network(key, cell, accuracy, metadata)
    except (ValueError, UserError) as error:
        raise UserError(f"{path}: cell {key} is not one of NAS-Bench-101 ({error})") from error


def _pairs(vertices: int) -> list[tuple[int, int]]:
    return [(source, target) for source in range(vertices) for target in range(source + 1, vertices)]


def _sum(terms: list[torch.Tensor]) -> torch.Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
