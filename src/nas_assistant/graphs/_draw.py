"""Drawings of a graph: DOT text, and SVG from a layered layout of our own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._layout import layered
from nas_assistant.graphs._node import Node
from nas_assistant.graphs._operations import ACTIVATIONS, NORMALISATIONS, Operation

_BOX_WIDTH, _BOX_HEIGHT = 190, 40
_GAP_X, _GAP_Y = 26, 30
_MARGIN, _HEADER = 20, 44
# Width of the lane that a long edge has in a row that it passes.
_LANE = 14

_COLOURS = {
    "input and output": "#d9d9d9",
    "convolution": "#a6cee3",
    "dense, attention, recurrent": "#cab2d6",
    "normalisation": "#fdd9a0",
    "activation": "#f7b6b2",
    "pooling": "#b2df8a",
    "merge": "#ffff99",
    "shape": "#eeeeee",
    "regularisation": "#e3d3c4",
    "other": "#ff7f7f",
}
_GROUPS: dict[str, frozenset[Operation]] = {
    "input and output": frozenset({Operation.INPUT, Operation.OUTPUT}),
    "convolution": frozenset({Operation.CONV, Operation.DEPTHWISE_CONV, Operation.CONV_TRANSPOSE}),
    "dense, attention, recurrent": frozenset(
        {
            Operation.DENSE,
            Operation.MATMUL,
            Operation.ATTENTION,
            Operation.RECURRENT,
            Operation.EMBEDDING,
        }
    ),
    "normalisation": NORMALISATIONS,
    "activation": ACTIVATIONS,
    "pooling": frozenset({Operation.MAX_POOL, Operation.AVG_POOL, Operation.GLOBAL_AVG_POOL, Operation.MEAN}),
    "merge": frozenset({Operation.ADD, Operation.MUL, Operation.CONCAT}),
    "regularisation": frozenset({Operation.DROPOUT}),
    "other": frozenset({Operation.OTHER}),
}


def to_dot(graph: ComputationalGraph) -> str:
    """The graph in Graphviz's language."""
    lines = [
        f"digraph {_quoted(graph.name or 'model')} {{",
        '  node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=10];',
    ]
    for node in graph.nodes:
        label = _quoted("\n".join(part for part in _label(node) if part))
        colour, hint = _quoted(_colour(node)), _quoted(_hint(node))
        lines.append(f"  n{node.id} [label={label}, fillcolor={colour}, tooltip={hint}];")
    for node in graph.nodes:
        for place, source in enumerate(node.inputs):
            shape = _quoted(_shape(graph.nodes[source].output_shape))
            order = f", headlabel={_quoted(str(place))}" if len(node.inputs) > 1 else ""
            lines.append(f"  n{source} -> n{node.id} [tooltip={shape}{order}];")
    return "\n".join([*lines, "}", ""])


def to_svg(graph: ComputationalGraph) -> str:
    """A drawing from top to bottom, coloured by kind of operation, with places in the file as hints."""
    layout = layered(
        [node.inputs for node in graph.nodes],
        node_width=_BOX_WIDTH + _GAP_X,
        lane_width=_LANE,
        row_height=_BOX_HEIGHT + _GAP_Y,
    )
    used = [name for name in _COLOURS if any(_group(node) == name for node in graph.nodes)]
    title = (
        f"{graph.name or 'model'}: {len(graph)} operations, {graph.parameters:,} parameters, "
        f"{graph.macs:,} multiply-accumulates"
    )
    width = max(layout.width + 2 * _MARGIN, 9 * len(title) + 2 * _MARGIN, 420)
    legend, legend_height = _legend(used, width)
    top = _HEADER + legend_height
    height = top + layout.height + _MARGIN
    shift = (width - layout.width) / 2
    centres = [(x + shift, y + top) for x, y in layout.nodes]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{_MARGIN}" y="28" font-size="15" font-weight="bold">{escape(title)}</text>',
        *legend,
    ]
    for (source, target), bends in layout.edges.items():
        points = [(x + shift, y + top) for x, y in bends]
        parts.append(_edge(centres[source], points, centres[target]))
    parts += [_box(node, *centres[node.id]) for node in graph.nodes]
    return "\n".join([*parts, "</svg>", ""])


def _legend(names: Sequence[str], width: float) -> tuple[list[str], int]:
    parts, x, y = [], float(_MARGIN), _HEADER
    for name in names:
        step = 7 * len(name) + 30
        if x + step > width - _MARGIN and x > _MARGIN:
            x, y = float(_MARGIN), y + 18
        parts.append(
            f'<rect x="{x:.0f}" y="{y}" width="12" height="12" rx="2" fill="{_COLOURS[name]}" stroke="#999"/>'
        )
        parts.append(f'<text x="{x + 17:.0f}" y="{y + 10}" font-size="11">{escape(name)}</text>')
        x += step
    return parts, y + 12 + _MARGIN - _HEADER


def _edge(start: tuple[float, float], bends: Sequence[tuple[float, float]], end: tuple[float, float]) -> str:
    """A smooth line from the foot of one box, through the lanes, to the head of another."""
    stops = [(start[0], start[1] + _BOX_HEIGHT / 2)]
    for x, y in bends:
        stops += [(x, y - _BOX_HEIGHT / 2), (x, y + _BOX_HEIGHT / 2)]
    stops.append((end[0], end[1] - _BOX_HEIGHT / 2))
    path = [f"M{stops[0][0]:.1f},{stops[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(stops):
        middle = (y0 + y1) / 2
        curve = f"C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
        path.append(f"L{x1:.1f},{y1:.1f}" if x0 == x1 else curve)
    return f'<path d="{" ".join(path)}" fill="none" stroke="#777" marker-end="url(#arrow)"/>'


def _box(node: Node, x: float, y: float) -> str:
    first, second, _ = _label(node)
    left, top = x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2
    return (
        f"<g><title>{escape(_hint(node))}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" '
        f'fill="{_colour(node)}" stroke="#666"/>'
        f'<text x="{x:.1f}" y="{y - 4:.1f}" font-size="12" text-anchor="middle">{escape(first)}</text>'
        f'<text x="{x:.1f}" y="{y + 12:.1f}" font-size="10" fill="#444" text-anchor="middle">'
        f"{escape(second)}</text></g>"
    )


def _label(node: Node) -> tuple[str, str, str]:
    """The operation with its numbers, the output's shape, and the layer."""
    words = [node.op.value.replace("_", " ")]
    if node.op is Operation.OTHER and node.detail:
        words.append(f"({_short(node.detail, 18)})")
    if node.kernel is not None:
        words.append(_times(node.kernel))
    if node.stride not in (None, (1, 1)):
        words.append(
            f"/{_times(node.stride or ())}" if len(set(node.stride or ())) > 1 else f"/{node.stride[0]}"
        )
    if node.groups and node.groups > 1 and node.op is not Operation.DEPTHWISE_CONV:
        words.append(f"groups {node.groups}")
    shape = _shape(node.output_shape)
    second = f"{_short(node.layer, 20)}  {shape}" if node.layer else shape
    return " ".join(words), second, f"{node.parameters:,} parameters" if node.parameters else ""


def _hint(node: Node) -> str:
    lines = [f"{node.id}: {node.op.value} {node.layer}".strip(), f"output {_shape(node.output_shape)}"]
    if node.parameters:
        lines.append(f"{node.parameters:,} parameters")
    if node.macs:
        lines.append(f"{node.macs:,} multiply-accumulates")
    for name, place in (("created", node.created), ("called", node.call)):
        if place is not None:
            lines.append(f"{name} at {place.file}:{place.line}")
    return "\n".join(lines)


def _group(node: Node) -> str:
    return next((name for name, ops in _GROUPS.items() if node.op in ops), "shape")


def _colour(node: Node) -> str:
    return _COLOURS[_group(node)]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _times(pair: Sequence[int]) -> str:
    return "x".join(map(str, pair))


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :]


def _quoted(text: str) -> str:
    """A DOT string: backslashes and quotes escaped, line breaks written as such."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "")
    return f'"{escaped}"'
