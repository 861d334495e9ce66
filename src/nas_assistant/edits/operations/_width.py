"""What widening and narrowing share: other channels for a whole channel group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import Growth, scaled, total
from nas_assistant.edits._replace import Replacement
from nas_assistant.graphs import NORMALISATIONS, ComputationalGraph, Node, Operation


def rounded(width: int, factor: float) -> int:
    """A width scaled, to a multiple of 8 from 16 on and of 2 below."""
    step = 8 if width >= 16 else 2
    return max(step, round(width * factor / step) * step)


def width_sites(
    operation: BaseEditOperation, context: EditContext, factors: tuple[float, ...]
) -> Iterator[Change]:
    """One site for each channel group and factor, at the group's first layer."""
    groups: dict[int, list[LayerCall]] = {}
    for layer in context.layers:
        if layer.kind.produces and layer.main:
            group = context.channels.group(layer.main[-1])
            if group is not None:
                groups.setdefault(group, []).append(layer)
    for group, layers in groups.items():
        width = context.channels.layouts.size[group]
        done = {width}
        for factor in factors:
            target = rounded(width, factor)
            if target in done or (target > width) != (factor > 1):
                continue
            done.add(target)
            changes = context.channels.change(group, target)
            if changes is None:
                continue
            replacements = tuple(
                Replacement(*context.tree.span(node), str(new)) for node, new in changes.items()
            )
            first = layers[0]
            start = context.tree.span(first.call)[0]
            partners = [layer.layer for layer in layers[1:4]]
            what = f"channels, with {', '.join(partners)}" if partners else "channels"
            arguments: dict[str, int | float | str] = {"from": width, "to": target, "what": what}
            edit = operation.edit(context, start, first.layer, arguments)
            relevant = tuple(node.id for layer in layers for node in layer.main)
            yield Change(edit, replacements, writes=frozenset({group}), relevant=relevant)


def width_growth(graph: ComputationalGraph, change: Change) -> Growth:
    """What other channels add to the layers that give them and to those that read them."""
    before, after = change.edit.step
    if not isinstance(before, int) or not isinstance(after, int) or not before:
        return Growth()
    nodes, factor = [graph.nodes[node] for node in change.relevant], after / before
    if factor > 1:
        return _widening(graph, nodes, factor)
    # The depthwise half of a separable convolution stays as wide as what it reads.
    return total(scaled(node, factor - 1) for node in nodes if node.op is not Operation.DEPTHWISE_CONV)


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
    return total(scaled(graph.nodes[number], factors[number] - 1) for number in factors)


def _users(graph: ComputationalGraph) -> dict[int, list[int]]:
    users: dict[int, list[int]] = {}
    for source, target in graph.edges:
        users.setdefault(source, []).append(target)
    return users
