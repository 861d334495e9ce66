"""A NAS-Bench-201 network as a file that a person could have written, and its cell read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_assistant.families._read_cells import CellReader, before_divider
from nas_assistant.families._source_text import RELU_CONV_NORM, indented, join
from nas_assistant.graphs import Operation

if TYPE_CHECKING:
    from nas_assistant.families.nb201 import NB201Cell
    from nas_assistant.graphs import ComputationalGraph

_BLOCKS = {
    "nor_conv_3x3": "Conv3x3",
    "nor_conv_1x1": "Conv1x1",
    "avg_pool_3x3": "AvgPool3x3",
    "skip_connect": "Skip",
}
_CELLS = 5
_STEM = (Operation.INPUT, Operation.CONV, Operation.BATCH_NORM)
_MOST = 1_000

_CLASSES = (
    RELU_CONV_NORM.format(
        name="Conv3x3",
        kernel=3,
        padding=1,
        text="ReLU, a 3x3 convolution and batch normalisation.",
    ),
    RELU_CONV_NORM.format(
        name="Conv1x1",
        kernel=1,
        padding=0,
        text="ReLU, a 1x1 convolution and batch normalisation.",
    ),
    '''
class AvgPool3x3(nn.Sequential):
    """The mean of each pixel's neighbours."""

    def __init__(self, channels):
        super().__init__(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False))
''',
    '''
class Skip(nn.Sequential):
    """The input as it is."""

    def __init__(self, channels):
        super().__init__()
''',
)

_CELL = '''
class Cell(nn.Module):
    """The cell that the network repeats: three states, each a sum over those before it."""

    def __init__(self, channels):
        super().__init__()
{layers}

    def forward(self, x0):
{steps}
'''

_NETWORK = '''
class Reduction(nn.Module):
    """A residual block that halves the resolution and doubles the channels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),
        )

    def forward(self, x):
        return self.branch(x) + self.shortcut(x)


class Network(nn.Module):
    """A stem, three stages of five cells with a reduction between them, and a dense head."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(16),
        )
        self.stage1 = nn.Sequential(*[Cell(16) for _ in range(5)])
        self.reduce1 = Reduction(16, 32)
        self.stage2 = nn.Sequential(*[Cell(32) for _ in range(5)])
        self.reduce2 = Reduction(32, 64)
        self.stage3 = nn.Sequential(*[Cell(64) for _ in range(5)])
        self.head = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.stage1(self.stem(x))
        x = self.stage2(self.reduce1(x))
        x = self.stage3(self.reduce2(x))
        return self.classifier(self.head(x))
'''


def write_source(cell: NB201Cell) -> str:
    """The file of a cell, without the operations that lead nowhere."""
    live = cell.live_edges()
    layers = [f"self.from{s}to{t} = {_BLOCKS[operation]}(channels)" for s, t, operation in live]
    steps: list[str] = []
    for node in (1, 2, 3):
        terms = [f"self.from{s}to{t}(x{s})" for s, t, _ in live if t == node]
        if terms:
            steps.append(f"x{node} = {' + '.join(terms)}")
    # Without a path the network is constant, but still a network.
    steps.append("return x3" if live else "return torch.zeros_like(x0)")
    body = _CELL.format(layers=indented(layers), steps=indented(steps)).replace("\n\n\n", "\n\n")
    return join("An image classifier of stacked cells.", *_CLASSES, body, _NETWORK)


def read_form(graph: ComputationalGraph) -> str | None:
    """:meth:`NB201Cell.functional_form` of the first cell, or None where it is none of NAS-Bench-201."""
    end = _end(graph)
    reader = None if end is None else CellReader.first(graph, end, _STEM, _CELLS)
    if reader is None:
        return None
    forms: dict[int, tuple[str, ...] | None] = {reader.input: ("x",)}
    found = _form(reader, reader.output, forms)
    return None if found is None else "+".join(found)


def _end(graph: ComputationalGraph) -> int | None:
    """The last node of the first stage: what the first reduction's shortcut pools."""
    return before_divider(graph, Operation.AVG_POOL)


def _form(
    reader: CellReader, number: int, forms: dict[int, tuple[str, ...] | None]
) -> tuple[str, ...] | None:
    """The sorted terms of what a node computes from the cell's input."""
    if number not in forms:
        forms[number] = _new_form(reader, number, forms)
    return forms[number]


def _new_form(
    reader: CellReader, number: int, forms: dict[int, tuple[str, ...] | None]
) -> tuple[str, ...] | None:
    node = reader.node(number)
    if number <= reader.input or not node.inputs:
        return None
    if node.op is Operation.ADD:
        parts = [_form(reader, source, forms) for source in node.inputs]
        terms = [term for part in parts if part is not None for term in part]
        return tuple(sorted(terms)) if None not in parts and len(terms) <= _MOST else None
    conv = reader.chain(number, (Operation.BATCH_NORM, Operation.CONV, Operation.RELU))
    if conv is not None and conv[1].kernel in ((1, 1), (3, 3)):
        size = "1x1" if conv[1].kernel == (1, 1) else "3x3"
        inner, name = _form(reader, conv[2].inputs[0], forms), f"nor_conv_{size}"
    elif node.op is Operation.AVG_POOL and node.kernel == (3, 3):
        inner, name = _form(reader, node.inputs[0], forms), "avg_pool_3x3"
    else:
        return None
    return None if inner is None else (f"{name}({'+'.join(inner)})",)
