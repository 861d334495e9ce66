"""How much an edit can add to a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_assistant.graphs import NORMALISATIONS, ComputationalGraph, Node, Operation

if TYPE_CHECKING:
    from nas_assistant.edits import Change
    from nas_assistant.generators._base import Constraints

_BLOCK_WEIGHTS = {"conv-bn": (9, 0), "separable": (1, 9), "dense": (1, 1)}
"""Parameters of a block of width C: so many times C squared, and so many times C."""
_NORM_WEIGHTS = 4  # two of them are moved, not trained, and Keras counts them


@dataclass(frozen=True, slots=True)
class Growth:
    """What an edit adds at most, or how much may be added.

    Attributes:
        parameters: Of the model.
        flops: Of one sample.
    """

    parameters: float
    flops: float

    def __sub__(self, other: Growth) -> Growth:
        return Growth(self.parameters - other.parameters, self.flops - other.flops)

    def fits(self, room: Growth, share: float = 1.0) -> bool:
        """Whether a share of the room is enough; where there is none, whether this makes some."""
        pairs = ((self.parameters, room.parameters), (self.flops, room.flops))
        return all(need <= left * share if left >= 0 else need < 0 for need, left in pairs)


def room(graph: ComputationalGraph, constraints: Constraints) -> Growth:
    """What may be added to a network; less than nothing where it is over a limit itself."""

    def left(most: int | None, now: int) -> float:
        return math.inf if most is None else most - now

    return Growth(
        left(constraints.max_parameters, graph.parameters), left(constraints.max_flops, graph.flops)
    )


def growth(graph: ComputationalGraph, change: Change) -> Growth:
    """An upper bound of what an edit adds; 0 or less where it adds nothing.

    It spares candidates that would break a limit; the limit itself is checked on the real model. For edits
    whose shapes only the sandbox can check it is a guess.
    """
    edit = change.edit
    nodes = [graph.nodes[node] for node in change.relevant]
    own = _sum(_times(node, 1.0) for node in nodes)
    before, after = edit.arguments.get("from"), edit.arguments.get("to")
    if edit.operation in ("widen", "narrow", "scale_width"):
        if not isinstance(before, int) or not isinstance(after, int) or not before:
            return Growth(0.0, 0.0)
        factor = after / before
        if factor > 1:
            return _widening(graph, nodes, factor)
        # The depthwise half of a separable convolution stays as wide as what it reads.
        return _sum(_times(node, factor - 1) for node in nodes if node.op is not Operation.DEPTHWISE_CONV)
    if edit.operation == "add_norm":
        return _sum(_layer(node, 0, _NORM_WEIGHTS) for node in nodes)
    if edit.operation == "insert_block":
        square, line = _BLOCK_WEIGHTS.get(str(edit.arguments.get("block")), (9, 1))
        return _sum(_layer(node, square, line + _NORM_WEIGHTS) for node in nodes)
    if edit.operation in ("repeat_layer", "repeat_entry"):
        return _sum([own, *(_layer(node, 0, _NORM_WEIGHTS) for node in nodes)])
    if edit.operation == "change_kernel" and isinstance(before, str) and isinstance(after, str):
        kernels = [node for node in nodes if node.kernel and node.kernel[0] == _side(before)]
        return _sum([*(_rescaled(node, _side(after)) for node in kernels), _resized(graph, change.sizes)])
    if edit.operation == "change_stride":
        return _resized(graph, change.sizes)
    if edit.operation == "swap_conv":
        return _sum(map(_separated, nodes))
    return Growth(0.0, 0.0)


def _sum(parts: Iterable[Growth]) -> Growth:
    found = list(parts)
    return Growth(float(sum(part.parameters for part in found)), float(sum(part.flops for part in found)))


def _times(node: Node, factor: float) -> Growth:
    return Growth(factor * node.parameters, factor * 2 * node.macs)


def _width(node: Node) -> int:
    return node.output_shape[0] if node.output_shape else 0


def _places(node: Node) -> int:
    """Positions of a feature map, at each of which a layer behind it works."""
    return math.prod(node.output_shape[1:])


def _layer(node: Node, square: int, line: int) -> Growth:
    """A layer behind a node with so many parameters for its width squared, and for its width."""
    parameters = square * _width(node) ** 2 + line * _width(node)
    return Growth(parameters, 2 * parameters * _places(node))


def _rescaled(node: Node, side: int) -> Growth:
    """A layer with a square kernel of another side."""
    assert node.kernel is not None
    ratio = (side / node.kernel[0]) ** max(len(node.output_shape) - 1, 1)
    biases = _width(node) if ratio < 1 else 0  # they stay
    return Growth((ratio - 1) * (node.parameters - biases), (ratio - 1) * 2 * node.macs)


def _resized(graph: ComputationalGraph, sizes: Mapping[int, tuple[int, int]]) -> Growth:
    """Feature maps of other sizes, and in Keras the dense layers behind them, which take what comes."""
    ratios = {number: math.prod(size) / _places(graph.nodes[number]) for number, size in sizes.items()}
    added = [Growth(0.0, 2 * graph.nodes[number].macs * (ratio - 1)) for number, ratio in ratios.items()]
    for node in graph:
        ratio = max((ratios[item] for item in node.inputs if item in ratios), default=1.0)
        flat = len(node.output_shape) == 1 and node.op not in (Operation.GLOBAL_AVG_POOL, Operation.MEAN)
        if node.id in ratios or ratio == 1.0 or not flat:
            continue
        biases = _width(node) if ratio < 1 else 0
        added.append(Growth((ratio - 1) * (node.parameters - biases), (ratio - 1) * 2 * node.macs))
        if not node.parameters or node.op in NORMALISATIONS:
            ratios[node.id] = ratio
    return _sum(added)


def _users(graph: ComputationalGraph) -> dict[int, list[int]]:
    users: dict[int, list[int]] = {}
    for source, target in graph.edges:
        users.setdefault(source, []).append(target)
    return users


def _side(kernel: str) -> int:
    """Height of a kernel such as ``3x3``."""
    return int(kernel.partition("x")[0])


def _separated(node: Node) -> Growth:
    """What a convolution gains by becoming a depthwise and a pointwise one; mostly less than 0."""
    if not node.kernel or not node.input_shape or not node.output_shape:
        return Growth(0.0, 0.0)
    area, width, wide = math.prod(node.kernel), node.input_shape[0], node.output_shape[0]
    parameters = float(area * width + width * wide - area * width * wide + width)
    return Growth(parameters, 2 * parameters * _places(node))


def _widening(graph: ComputationalGraph, producers: Sequence[Node], factor: float) -> Growth:
    """What is added where some layers give more channels: by them, and by all that reads these channels."""
    users = _users(graph)
    factors = {node.id: factor for node in producers}
    reached: set[int] = set()
    waiting = [user for node in producers for user in users.get(node.id, ())]
    while waiting:
        number = waiting.pop()
        if number in reached:
            continue
        reached.add(number)
        node = graph.nodes[number]
        factors[number] = factors.get(number, 1.0) * factor
        keeps_channels = not node.parameters or node.op in (*NORMALISATIONS, Operation.DEPTHWISE_CONV)
        if keeps_channels:
            waiting.extend(users.get(number, ()))
    return _sum(_times(graph.nodes[number], factors[number] - 1) for number in factors)
