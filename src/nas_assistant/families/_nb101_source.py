"""A NAS-Bench-101 network as a file that a person could have written, and its cell read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_assistant.families._read_cells import CellReader, before_divider
from nas_assistant.families._source_text import CONV_NORM_RELU, indented, join
from nas_assistant.graphs import Operation

if TYPE_CHECKING:
    from nas_assistant.families.nb101 import Cell
    from nas_assistant.graphs import ComputationalGraph

_BLOCKS = ("Conv3x3", "Conv1x1", "MaxPool3x3")
_CELLS = 3
_STEM = (Operation.INPUT, Operation.CONV, Operation.BATCH_NORM, Operation.RELU)
_MOST = 7

_CLASSES = (
    CONV_NORM_RELU.format(
        name="Conv3x3",
        kernel=3,
        padding=1,
        text="A 3x3 convolution, batch normalisation and ReLU.",
    ),
    CONV_NORM_RELU.format(
        name="Conv1x1",
        kernel=1,
        padding=0,
        text="A 1x1 convolution, batch normalisation and ReLU.",
    ),
    '''
class MaxPool3x3(nn.Sequential):
    """The maximum of each pixel's neighbours."""

    def __init__(self, channels):
        super().__init__(nn.MaxPool2d(3, stride=1, padding=1))
''',
    '''
class Project(nn.Sequential):
    """A 1x1 convolution from the cell's input to as many channels as are wanted."""

    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),
            nn.BatchNorm2d(outputs, momentum=0.003),
            nn.ReLU(),
        )
''',
)

_CELL = '''
class Cell(nn.Module):
    """The cell that the network repeats."""

    def __init__(self, inputs, outputs):
        super().__init__()
{layers}

    def forward(self, x):
{steps}
'''

_NETWORK = '''
class Network(nn.Module):
    """A stem, three stacks of three cells with a pool between them, and a dense head."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 128, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(128, momentum=0.003),
            nn.ReLU(),
        )
        self.stack1 = nn.Sequential(Cell(128, 128), Cell(128, 128), Cell(128, 128))
        self.down1 = nn.MaxPool2d(2)
        self.stack2 = nn.Sequential(Cell(128, 256), Cell(256, 256), Cell(256, 256))
        self.down2 = nn.MaxPool2d(2)
        self.stack3 = nn.Sequential(Cell(256, 512), Cell(512, 512), Cell(512, 512))
        self.classifier = nn.Linear(512, num_classes)

    def forward(self, x):
        x = self.stack1(self.stem(x))
        x = self.stack2(self.down1(x))
        x = self.stack3(self.down2(x))
        return self.classifier(x.mean(dim=(2, 3)))
'''


def write_source(cell: Cell) -> str:
    """The file of a cell without vertices that lead nowhere."""
    last = cell.vertices - 1
    final = [v for v in cell.sources(last) if v != 0]
    widths = _widths(cell, final)
    layers: list[str] = []
    if len(final) == 3:
        layers.append("first, second, third = (outputs + 2) // 3, (outputs + 1) // 3, outputs // 3")
    elif len(final) > 1:
        layers.append(f"width = outputs // {len(final)}")
    steps: list[str] = []
    for vertex in range(1, last):
        sources = [s for s in cell.sources(vertex) if s != 0]
        wider = [s for s in sources if widths[s] != widths[vertex]]
        if wider:
            layers.append(f"self.width{vertex} = {widths[vertex]}")
        terms = [f"v{s}[:, : self.width{vertex}]" if s in wider else f"v{s}" for s in sources]
        if 0 in cell.sources(vertex):
            layers.append(f"self.project{vertex} = Project(inputs, {widths[vertex]})")
            terms.append(f"self.project{vertex}(x)")
        layers.append(f"self.op{vertex} = {_BLOCKS[cell.operations[vertex - 1]]}({widths[vertex]})")
        steps.append(f"v{vertex} = self.op{vertex}({' + '.join(terms)})")
    values = [f"v{v}" for v in final]
    terms = [values[0] if len(values) == 1 else f"torch.cat([{', '.join(values)}], dim=1)"] if final else []
    if 0 in cell.sources(last):
        layers.append(f"self.project{last} = Project(inputs, outputs)")
        terms.append(f"self.project{last}(x)")
    steps.append(f"return {' + '.join(terms)}")
    body = _CELL.format(layers=indented(layers), steps=indented(steps))
    return join("An image classifier of stacked cells.", *_CLASSES, body, _NETWORK)


def _widths(cell: Cell, final: list[int]) -> dict[int, str]:
    """What the file calls the width of each vertex."""
    if len(final) < 2:
        return dict.fromkeys(range(1, cell.vertices - 1), "outputs")
    # Three do not divide 128: the first is the widest, or as wide as the next.
    names = ("first", "second", "third") if len(final) == 3 else ("width",) * len(final)
    found = dict(zip(final, names, strict=True))
    for vertex in range(cell.vertices - 2, 0, -1):
        if vertex not in found:
            found[vertex] = min(found[t] for t in cell.targets(vertex) if t in found)
    return found


def read_cell(graph: ComputationalGraph) -> tuple[int, frozenset[tuple[int, int]], tuple[int, ...]] | None:
    """Vertices, edges and operations of the first cell, or None where it is none of NAS-Bench-101.

    Only the first cell is looked at: who needs to know that the whole network is the family's compares it
    with the one that these give.
    """
    end = before_divider(graph, Operation.MAX_POOL)
    reader = None if end is None else CellReader.first(graph, end, _STEM, _CELLS)
    if reader is None:
        return None
    return _Reading(reader).cell()


class _Reading:
    """One cell, from its output back to its input."""

    def __init__(self, reader: CellReader) -> None:
        self._reader = reader
        self._vertices: dict[int, tuple[int, list[int]]] = {}
        self._unknown = False

    def cell(self) -> tuple[int, frozenset[tuple[int, int]], tuple[int, ...]] | None:
        """The cell, its vertices in the order of the graph."""
        sources: list[int] = []
        for term in self._reader.terms(self._reader.output):
            node = self._reader.node(term)
            parts = node.inputs if node.op is Operation.CONCAT else (term,)
            sources += [self._vertex(part) for part in parts]
        if self._unknown or len(self._vertices) > _MOST - 2 or not sources:
            return None
        order = sorted(self._vertices)
        place = {0: 0, **{vertex: index for index, vertex in enumerate(order, start=1)}}
        last = len(order) + 1
        edges = {(place[s], last) for s in sources}
        for vertex in order:
            edges |= {(place[s], place[vertex]) for s in self._vertices[vertex][1]}
        return last + 1, frozenset(edges), tuple(self._vertices[vertex][0] for vertex in order)

    def _vertex(self, term: int) -> int:
        """The vertex whose value a node is, by the id of its last node; 0 for the cell's input, projected."""
        reader = self._reader
        node = reader.node(term)
        if node.op is Operation.SPLIT:
            term = node.inputs[0]
            node = reader.node(term)
        if term in self._vertices:
            return term
        unit = reader.chain(term, (Operation.RELU, Operation.BATCH_NORM, Operation.CONV))
        if unit is not None:
            conv = unit[-1]
            if conv.inputs == (reader.input,) and conv.kernel == (1, 1):
                return 0
            kind = {(3, 3): 0, (1, 1): 1}.get(conv.kernel or (0, 0), -1)
            return self._remember(term, kind, conv.inputs[0])
        if node.op is Operation.MAX_POOL and node.kernel == (3, 3):
            return self._remember(term, 2, node.inputs[0])
        self._unknown = True
        return 0

    def _remember(self, term: int, kind: int, before: int) -> int:
        self._vertices[term] = (kind, [])
        if kind < 0 or before == self._reader.input or len(self._vertices) > _MOST:
            self._unknown = True
        if not self._unknown:
            self._vertices[term][1].extend(self._vertex(s) for s in self._reader.terms(before))
        return term
