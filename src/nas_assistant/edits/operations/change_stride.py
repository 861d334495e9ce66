"""A smaller stride for a convolution or pool, where the size below is free."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._growth import Growth, resized
from nas_assistant.edits._spatial import sizes_below
from nas_assistant.edits._values import literal
from nas_assistant.edits.operations._arguments import set_argument
from nas_assistant.graphs import ComputationalGraph, Node


class ChangeStride(BaseEditOperation):
    """Sets stride 2 to 1, or 3 or 4 to 2, where a global or adaptive pool below takes any size.

    Never to a larger one: no benchmark that the predictor learned from varies the resolution, so that fewer
    pixels look like a network of a quarter of the operations that is as good.
    """

    name = "change_stride"
    summary = "a smaller stride, where the layers below take any size"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Convolutions and pools that are used once, with a written stride of 2 to 4."""
        name = "stride" if context.torch else "strides"
        for layer in context.layers:
            if layer.kind.role not in ("conv", "depthwise", "pool") or layer.extended:
                continue
            nodes = [node for node in layer.main if node.stride is not None and len(node.output_shape) == 3]
            argument = layer.arguments.get(name)
            if len(nodes) != 1 or len(layer.main) != 1 or argument is None:
                continue
            padding = layer.arguments.get("padding")
            if context.torch and padding is not None and isinstance(literal(padding.value), str):
                continue  # PyTorch takes padding="same" at stride 1 only
            present = literal(argument.value)
            pair = isinstance(present, tuple)
            step = present[0] if isinstance(present, tuple) else present
            if not isinstance(step, int) or any(node.stride != (step, step) for node in nodes):
                continue
            for to in {2: (1,), 3: (2,), 4: (2,)}.get(step, ()):
                sizes = {node.id: _restrided(node, to) for node in nodes}
                written = set_argument(context, layer, name, f"({to}, {to})" if pair else str(to))
                if written is None or min(min(size) for size in sizes.values()) < 1:
                    continue
                if all(sizes[node.id] == node.output_shape[1:] for node in nodes):
                    continue
                below = sizes_below(context, sizes)
                if below is None:
                    continue
                start = context.tree.span(layer.call)[0]
                edit = self.edit(context, start, layer.layer, {"from": step, "to": to, "what": "stride"})
                relevant = tuple(node.id for node in nodes)
                yield Change(edit, (written,), sizes=below, relevant=relevant)

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """What the larger maps take below."""
        return resized(graph, change.sizes)


def _restrided(node: Node, stride: int) -> tuple[int, int]:
    """Height and width of a node's output with another stride; (0, 0) where unknown."""
    if node.kernel is None or node.padding is None or len(node.input_shape) != 3:
        return (0, 0)
    dilation = node.dilation or (1, 1)
    result = []
    for axis in (0, 1):
        size = node.input_shape[1 + axis] + node.padding[axis] + node.padding[axis + 2]
        result.append((size - dilation[axis] * (node.kernel[axis] - 1) - 1) // stride + 1)
    return (result[0], result[1])
