"""A DARTS network as a file that a person could have written, and its genotype read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_assistant.families._source_text import indented, join
from nas_assistant.graphs import Operation

if TYPE_CHECKING:
    from nas_assistant.families._darts import Edge
    from nas_assistant.families.nb301 import Genotype
    from nas_assistant.graphs import ComputationalGraph, Node

_BLOCKS = {
    "max_pool_3x3": "MaxPool3x3",
    "avg_pool_3x3": "AvgPool3x3",
    "skip_connect": "Skip",
    "sep_conv_3x3": "SepConv3x3",
    "sep_conv_5x5": "SepConv5x5",
    "dil_conv_3x3": "DilConv3x3",
    "dil_conv_5x5": "DilConv5x5",
}
_DEPTH = (Operation.BATCH_NORM, Operation.CONV, Operation.DEPTHWISE_CONV, Operation.RELU)
_NODES = 4

_SEPARABLE = '''
class SepConv{k}x{k}(nn.Sequential):
    """Two separable convolutions of {k}x{k}, the stride in the first."""

    def __init__(self, channels, stride):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                channels, channels, kernel_size={k}, stride=stride, padding={p}, groups=channels, bias=False
            ),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size={k}, padding={p}, groups=channels, bias=False),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
        )
'''

_DILATED = '''
class DilConv{k}x{k}(nn.Sequential):
    """A separable convolution of {k}x{k}, dilated by 2."""

    def __init__(self, channels, stride):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                channels,
                channels,
                kernel_size={k},
                stride=stride,
                padding={p},
                dilation=2,
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
        )
'''

_CLASSES = (
    '''
class FactorizedReduce(nn.Module):
    """Half the resolution without losing a pixel: two strided convolutions, one shifted by a pixel."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(inputs, outputs // 2, kernel_size=1, stride=2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs // 2, kernel_size=1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))
''',
    '''
class ReLUConv(nn.Sequential):
    """ReLU, a 1x1 convolution and batch normalisation."""

    def __init__(self, inputs, outputs):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
''',
    _SEPARABLE.format(k=3, p=1),
    _SEPARABLE.format(k=5, p=2),
    _DILATED.format(k=3, p=2),
    _DILATED.format(k=5, p=4),
    '''
class MaxPool3x3(nn.Sequential):
    """The maximum of each pixel's neighbours."""

    def __init__(self, channels, stride):
        super().__init__(nn.MaxPool2d(3, stride=stride, padding=1))
''',
    '''
class AvgPool3x3(nn.Sequential):
    """The mean of each pixel's neighbours."""

    def __init__(self, channels, stride):
        super().__init__(nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False))
''',
    '''
class Skip(nn.Sequential):
    """The input as it is, or at half its resolution."""

    def __init__(self, channels, stride):
        super().__init__(*([FactorizedReduce(channels, channels)] if stride == 2 else []))
''',
)

_CELL = '''
class {name}(nn.Module):
    """{text}"""

    def __init__(self, before, last, channels, halved):
        super().__init__()
        self.preprocess0 = FactorizedReduce(before, channels) if halved else ReLUConv(before, channels)
        self.preprocess1 = ReLUConv(last, channels)
{layers}

    def forward(self, s0, s1):
        s0 = self.preprocess0(s0)
        s1 = self.preprocess1(s1)
{steps}
        return torch.cat([s2, s3, s4, s5], dim=1)
'''

_NETWORK = '''
class Network(nn.Module):
    """A stem, {cells} cells that each read the two before, and a dense head."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, {stem}, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d({stem}),
        )
{layers}
        self.classifier = nn.Linear({width}, num_classes)

    def forward(self, x):
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.classifier(last.mean(dim=(2, 3)))
'''


def write_source(genotype: Genotype, channels: int, cells: int) -> str:
    """The file of a genotype.

    Args:
        genotype: Both cells.
        channels: Of a node in the first cells.
        cells: How many.
    """
    kept = _cell("NormalCell", "A cell that keeps the resolution.", genotype.normal, "1", "1")
    halving = _cell("ReductionCell", "A cell that halves the resolution.", genotype.reduce, "2", "1")
    title = "An image classifier of stacked cells."
    return join(title, *_CLASSES, kept, halving, _network(channels, cells))


def _cell(name: str, text: str, edges: tuple[Edge, ...], outer: str, inner: str) -> str:
    layers, steps = [], []
    for place, (operation, source) in enumerate(edges):
        stride = outer if source < 2 else inner
        side = "left" if place % 2 == 0 else "right"
        layers.append(f"self.{side}{place // 2 + 2} = {_BLOCKS[operation]}(channels, stride={stride})")
    for node in range(2, _NODES + 2):
        left, right = (edges[2 * (node - 2) + side][1] for side in (0, 1))
        steps.append(f"s{node} = self.left{node}(s{left}) + self.right{node}(s{right})")
    return _CELL.format(name=name, text=text, layers=indented(layers), steps=indented(steps))


def _network(channels: int, cells: int) -> str:
    lines = []
    before = last = 3 * channels
    halved = False
    for position in range(cells):
        reduction = position in (cells // 3, 2 * cells // 3)
        channels = 2 * channels if reduction else channels
        name = "ReductionCell" if reduction else "NormalCell"
        lines.append(f"    {name}({before}, {last}, {channels}, halved={halved}),")
        before, last, halved = last, 4 * channels, reduction
    layers = indented(
        ["self.cells = nn.ModuleList(", "    [", *(f"    {line}" for line in lines), "    ]", ")"]
    )
    stem = 3 * channels // 4
    return _NETWORK.format(cells=cells, stem=stem, layers=layers, width=last)


def read_cells(graph: ComputationalGraph) -> tuple[tuple[Edge, ...], tuple[Edge, ...]] | None:
    """The second normal and the first reduction cell, or None where they are none of DARTS.

    The first normal cell would not do, as both of its inputs are the stem. Only these two are looked at: who
    needs to know that the whole network is the family's compares it with the one that they give.
    """
    ends = [node for node in graph if _ends_cell(graph, node)]
    sizes = [node.output_shape[1] for node in ends]
    smaller = next((place for place, size in enumerate(sizes) if size < sizes[0]), 0)
    if smaller < 2:
        return None
    normal, reduce = (_Reading(graph, ends[place], ends[place - 1]).edges() for place in (1, smaller))
    return None if normal is None or reduce is None else (normal, reduce)


def _ends_cell(graph: ComputationalGraph, node: Node) -> bool:
    sums = [graph.nodes[source] for source in node.inputs]
    return node.op is Operation.CONCAT and len(sums) == _NODES and all(s.op is Operation.ADD for s in sums)


class _Reading:
    """One cell, from its output back to its inputs.

    Args:
        graph: The network.
        end: The concatenation that ends the cell.
        last: That of the cell before.
    """

    def __init__(self, graph: ComputationalGraph, end: Node, last: Node) -> None:
        self._nodes = graph.nodes
        self._states = end.inputs
        self._last = last.id

    def edges(self) -> tuple[Edge, ...] | None:
        """Two edges for each state, or None."""
        found: list[Edge] = []
        for state in self._states:
            terms = self._nodes[state].inputs
            edges = [self._edge(term) for term in terms]
            found += [edge for edge in edges if edge is not None]
            if len(terms) != 2 or None in edges:
                return None
        return tuple(found)

    def _edge(self, term: int) -> Edge | None:
        source = self._source(term)
        if source is not None:
            return "skip_connect", source
        node = self._nodes[term]
        if node.op in (Operation.MAX_POOL, Operation.AVG_POOL) and node.kernel == (3, 3):
            return self._from(f"{node.op.value}_3x3", node.inputs[0])
        halved = self._factorized(node)
        if halved is not None:
            return self._from("skip_connect", halved)
        unit = self._unit(term, _DEPTH)
        if unit is None or unit[2].kernel not in ((3, 3), (5, 5)):
            return None
        size = "3x3" if unit[2].kernel == (3, 3) else "5x5"
        if unit[2].dilation == (2, 2):
            return self._from(f"dil_conv_{size}", unit[3].inputs[0])
        first = self._unit(unit[3].inputs[0], _DEPTH)
        return None if first is None else self._from(f"sep_conv_{size}", first[3].inputs[0])

    def _from(self, operation: str, node: int) -> Edge | None:
        source = self._source(node)
        return None if source is None else (operation, source)

    def _source(self, node: int) -> int | None:
        """0 and 1 for the cell's inputs, preprocessed; 2 to 5 for its states; None for another node."""
        if node in self._states:
            return self._states.index(node) + 2
        unit = self._unit(node, (Operation.BATCH_NORM, Operation.CONV, Operation.RELU))
        if unit is None or unit[1].kernel != (1, 1):
            return None
        return int(unit[2].inputs[0] == self._last)

    def _factorized(self, node: Node) -> int | None:
        """What two strided convolutions beside each other read through one ReLU, or None."""
        pair = self._nodes[node.inputs[0]] if node.inputs else node
        convs = [self._nodes[source] for source in pair.inputs]
        if pair.op is not Operation.CONCAT or [conv.op for conv in convs] != [Operation.CONV] * 2:
            return None
        relu = self._nodes[convs[0].inputs[0]]
        return relu.inputs[0] if relu.op is Operation.RELU else None

    def _unit(self, number: int, operations: tuple[Operation, ...]) -> list[Node] | None:
        """The nodes that lead to a node one after the other, last first, when they are these operations."""
        found: list[Node] = []
        for operation in operations:
            node = self._nodes[number]
            if node.op is not operation or not node.inputs:
                return None
            found.append(node)
            number = node.inputs[0]
        return found
