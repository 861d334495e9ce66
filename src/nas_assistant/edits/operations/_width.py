"""What widening and narrowing share: other channels for a whole channel group."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement


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
