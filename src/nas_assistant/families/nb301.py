"""NAS-Bench-301: DARTS genotypes with accuracies from a surrogate.

Zela et al. 2022, "Surrogate NAS Benchmarks: Going Beyond the Limited Search Spaces of Tabular NAS
Benchmarks".
"""

from __future__ import annotations

import ast
import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._darts import DartsNetwork, Edge
from nas_assistant.families._data import read_table, require
from nas_assistant.families._nb301_results import FOLDER, Training, read_trainings

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The choices of an edge, by their published names."""

NODES = 4


@dataclass(frozen=True, slots=True)
class Genotype:
    """Two cells, each of four nodes that sum two operations.

    Attributes:
        normal: Eight pairs ``(operation, input)``, two for each node in order; input 0 is the cell before the
            last, 1 the last, 2 to 5 are the nodes of this cell.
        reduce: The same of the cell that halves the resolution.

    Raises:
        UserError: A cell has another length, an unknown operation or an input that comes later.
    """

    normal: tuple[Edge, ...]
    reduce: tuple[Edge, ...]

    def __post_init__(self) -> None:
        for kind, edges in (("normal", self.normal), ("reduce", self.reduce)):
            if len(edges) != 2 * NODES:
                raise UserError(f"the {kind} cell of a DARTS genotype has 8 edges, this one {len(edges)}")
            for place, (operation, source) in enumerate(edges):
                if operation not in OPERATIONS:
                    raise UserError(
                        f"unknown operation {operation!r} in the {kind} cell: choose one of "
                        f"{', '.join(OPERATIONS)}"
                    )
                if not 0 <= source < place // 2 + 2:
                    raise UserError(
                        f"edge {place} of the {kind} cell reads {source}: choose 0 to {place // 2 + 1}"
                    )

    @classmethod
    def parse(cls, normal: str, reduce: str) -> Genotype:
        """Read the form ``[('sep_conv_3x3', 0), ...]`` of each cell.

        Raises:
            UserError: It has another form.
        """
        return cls(_edges(_literal(normal), normal), _edges(_literal(reduce), reduce))

    def __str__(self) -> str:
        return f"({list(self.normal)}, {list(self.reduce)})"

    def canonical(self) -> Genotype:
        """The same for all genotypes that differ only in the order of edges and in the names of nodes."""
        return Genotype(_canonical(self.normal), _canonical(self.reduce))


class NB301(BaseFamily[Genotype]):
    """Some 10^18 DARTS genotypes; the labels are predictions of a surrogate that was fitted to trainings.

    Args:
        channels: Of a node in the first cells: 32 behind the labels, 36 in the networks of the DARTS paper.
        cells: 8 behind the labels, 20 in the DARTS paper.
    """

    name = "nb301"
    title = "NAS-Bench-301"
    label = "CIFAR-10 validation accuracy, 100 epochs, predicted by the XGB surrogate v0.9"
    table = "nb301_surrogate.csv.gz"

    def __init__(self, channels: int = 32, cells: int = 8) -> None:
        self.channels = channels
        self.cells = cells

    def build(self, encoding: Genotype) -> nn.Module:
        """Build the evaluation network of a genotype, without auxiliary head."""
        return DartsNetwork(encoding.normal, encoding.reduce, self.channels, self.cells, self.num_classes)

    def source(self, encoding: Genotype) -> str:
        """The network of a genotype as a file."""
        from nas_assistant.families._nb301_source import write_source

        return write_source(encoding, self.channels, self.cells)

    def recognise(self, graph: ComputationalGraph) -> list[Genotype]:
        """The genotype of a graph, or none."""
        from nas_assistant.families._nb301_source import read_cells

        found = read_cells(graph)
        try:
            return [] if found is None else [Genotype(*found)]
        except UserError:  # a state that reads a later one
            return []

    def identity(self, encoding: Genotype) -> str:
        """The canonical form."""
        return str(encoding.canonical())

    def neighbour(self, encoding: Genotype, rng: random.Random) -> Genotype:
        """Another operation on one edge of one cell, or another input of it."""
        cells = [list(encoding.normal), list(encoding.reduce)]
        cell = rng.choice(cells)
        place = rng.randrange(len(cell))
        operation, source = cell[place]
        if rng.random() < 0.5:
            cell[place] = (rng.choice([name for name in OPERATIONS if name != operation]), source)
        else:
            cell[place] = (operation, rng.choice([s for s in range(place // 2 + 2) if s != source]))
        return Genotype(tuple(cells[0]), tuple(cells[1]))

    def traits(self, encoding: Genotype) -> list[str]:
        """Operations, edges, and the depth of each node's inputs, of either cell in its canonical form."""
        canonical = encoding.canonical()
        found = []
        for kind, edges in (("normal", canonical.normal), ("reduce", canonical.reduce)):
            depth = [0, 0]
            for place, (operation, source) in enumerate(edges):
                found += [f"{kind} {operation}", f"{kind} {place // 2} {operation} {source}"]
                found += [f"{kind} {operation} from {'input' if source < 2 else 'node'}"]
                if place % 2:
                    deepest = 1 + max(depth[source], depth[edges[place - 1][1]])
                    depth.append(deepest)
                    found += [f"{kind} depth"] * deepest
        return found

    def sample(self, rng: random.Random) -> Genotype:
        """Two distinct inputs for each node and any operation on each, all equally likely."""
        cells = []
        for _ in range(2):
            sources = [source for node in range(NODES) for source in rng.sample(range(node + 2), 2)]
            cells.append(tuple((rng.choice(OPERATIONS), source) for source in sources))
        return Genotype(*cells)

    def parse(self, text: str) -> Genotype:
        """Read ``([('sep_conv_3x3', 0), ...], [...])``: the normal cell, then the reduction cell."""
        match _literal(text):
            case (normal, reduce):
                return Genotype(_edges(normal, text), _edges(reduce, text))
        raise _not_a_cell(text)

    def format(self, encoding: Genotype) -> str:
        """Both cells as lists of pairs."""
        return str(encoding)

    def read_labels(self, data_root: Path) -> list[Network[Genotype]]:
        """Read ``nb301_surrogate.csv.gz``, or else the public trainings in ``nb_301_v13``.

        A network's key is its row, from 0, or the path of its training. The public trainings have their own
        accuracy as label instead of a prediction of the surrogate; those of another size, or trained for
        other epochs or at another learning rate or weight decay, are left out.
        """
        public = data_root / FOLDER
        if public.is_dir() and not (data_root / self.table).is_file():
            trainings = read_trainings(public, self.channels, self.cells)
            networks = [_public(public, training) for training in trainings]
            if not networks:
                raise UserError(
                    f"{public}: no results_*.json in it is of {self.channels} channels and {self.cells} "
                    "cells, trained for 100 epochs"
                )
            return networks
        original = (
            f"or the folder {FOLDER} of public results, or a CSV with columns normal, reduce, "
            "nb301_v0.9_xgb_surrogate_val_acc in percent"
        )
        path = require(data_root, self.table, original)
        labelled = read_table(path, _row, self.title)
        return [
            Network(str(index), genotype, accuracy) for index, (genotype, accuracy) in enumerate(labelled)
        ]


def _row(row: dict[str, str]) -> tuple[Genotype, float]:
    accuracy = float(row["nb301_v0.9_xgb_surrogate_val_acc"]) / 100
    return Genotype.parse(row["normal"], row["reduce"]), accuracy


def _public(folder: Path, training: Training) -> Network[Genotype]:
    try:
        genotype = Genotype(training.normal, training.reduce)
        return Network(training.key, genotype, training.validation, {"test_accuracy": training.test})
    except UserError as error:
        raise UserError(f"{folder / training.key}: {error}") from error


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise _not_a_cell(text) from error


def _edges(cell: Any, text: str) -> tuple[Edge, ...]:
    try:
        return tuple((str(operation), int(source)) for operation, source in cell)
    except (ValueError, TypeError) as error:
        raise _not_a_cell(text) from error


def _not_a_cell(text: str) -> UserError:
    shown = text if len(text) <= 200 else text[:200] + "..."
    return UserError(f"not a DARTS cell: {shown!r}; write [('sep_conv_3x3', 0), ...]")


def _canonical(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The smallest cell, its edges sorted, over all orders of its nodes in which inputs come first."""
    pairs = [edges[2 * node : 2 * node + 2] for node in range(NODES)]
    candidates = []
    for order in itertools.permutations(range(NODES)):
        place = {0: 0, 1: 1, **{node + 2: position + 2 for position, node in enumerate(order)}}
        moved = [sorted((place[source], operation) for operation, source in pairs[node]) for node in order]
        if all(source < position + 2 for position, pair in enumerate(moved) for source, _ in pair):
            candidates.append([edge for pair in moved for edge in pair])
    return tuple((operation, source) for source, operation in min(candidates))
