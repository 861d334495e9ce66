"""Another kernel size for a convolution, with padding that keeps the size of its output."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import Growth, rescaled, resized, total
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._spatial import sizes_below
from nas_assistant.edits._values import literal
from nas_assistant.edits.operations._arguments import set_argument
from nas_assistant.edits.operations._around import PASSING, before, behind
from nas_assistant.edits.operations._ends import is_shortcut
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, ComputationalGraph, Node, Operation

_SIZES = (1, 3, 5, 7)
_CONVS = (Operation.CONV, Operation.DEPTHWISE_CONV)
# A gate may weigh what a depthwise convolution gives before the pointwise one reads it.
_BETWEEN = ACTIVATIONS | NORMALISATIONS | PASSING | {Operation.MUL, Operation.PAD}


class ChangeKernel(BaseEditOperation):
    """Gives a convolution with a square odd kernel the next smaller or larger one."""

    name = "change_kernel"
    summary = "another kernel size; the padding follows"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Convolutions whose kernel size is written out."""
        for layer in context.layers:
            if layer.extended:
                continue
            nodes = [node for node in layer.main if node.op in _CONVS and node.kernel is not None]
            argument = layer.arguments.get("kernel_size")
            size = None if argument is None else literal(argument.value)
            side = size[0] if isinstance(size, tuple) else size
            if not nodes or not isinstance(side, int) or side not in (*_SIZES, 9, 11):
                continue
            square = isinstance(size, int) or (isinstance(size, tuple) and size == (side, side))
            if not square or layer.kind.role not in ("conv", "depthwise", "separable"):
                continue
            if layer.kind.role != "separable" and any(node.kernel != (side, side) for node in nodes):
                continue
            # A depthwise convolution of one pixel only scales, which the pointwise one behind it does.
            least = 3 if any(node.op is Operation.DEPTHWISE_CONV for node in nodes) else 1
            # Further out, a kernel would meet nothing but padding, as on a single pixel in a gate.
            most = max(2 * min(node.input_shape[1:], default=0) - 1 for node in nodes)
            beside = any(_is_pointwise(context, node) for node in nodes) or is_shortcut(context, layer)
            if side == 1 and beside:
                most = 1
            for to in (side - 2, side + 2):
                if to in (*_SIZES, 9) and to >= least and (to < side or to <= most):
                    found = self._resize(context, layer, nodes, side, to, isinstance(size, tuple))
                    if found is not None:
                        yield found

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The weights of the larger kernel, and what the size of the map changes below."""
        before, after = (int(str(kernel).partition("x")[0]) for kernel in change.edit.step)
        nodes = [graph.nodes[node] for node in change.relevant]
        kernels = [node for node in nodes if node.kernel and node.kernel[0] == before]
        grown = [rescaled(node, (after / before) ** max(len(node.output_shape) - 1, 1)) for node in kernels]
        return total(grown) + resized(graph, change.sizes)

    def _resize(
        self, context: EditContext, layer: LayerCall, nodes: list[Node], side: int, to: int, pair: bool
    ) -> Change | None:
        text = f"({to}, {to})" if pair else str(to)
        kernel = set_argument(context, layer, "kernel_size", text)
        padding = _padding(context, layer, nodes, to - side)
        if kernel is None or padding is None:
            return None
        replacements, resizes = padding
        sizes: dict[int, tuple[int, int]] | None = {}
        if resizes:
            if len(nodes) != 1:
                return None
            height, width = nodes[0].output_shape[1:]
            changed = (height - (to - side), width - (to - side))
            sizes = sizes_below(context, {nodes[0].id: changed}) if min(changed) > 0 else None
        if sizes is None:
            return None
        start = context.tree.span(layer.call)[0]
        edit = self.edit(
            context, start, layer.layer, {"from": f"{side}x{side}", "to": f"{to}x{to}", "what": "kernel"}
        )
        relevant = tuple(node.id for node in nodes)
        return Change(edit, (kernel, *replacements), sizes=sizes, relevant=relevant)


def _is_pointwise(context: EditContext, node: Node) -> bool:
    """Whether a convolution of one pixel is the other half of a depthwise one before or behind it."""
    beside = (*before(context, node, _BETWEEN), *behind(context, node, _BETWEEN))
    return any(found.op is Operation.DEPTHWISE_CONV for found in beside)


def _padding(
    context: EditContext, layer: LayerCall, nodes: list[Node], grown: int
) -> tuple[tuple[Replacement, ...], bool] | None:
    """What to do to the padding, and whether the output still changes its size."""
    argument = layer.arguments.get("padding")
    value = 0 if argument is None else literal(argument.value)
    if not context.torch:
        if value == "same":
            return (), False
        plain = value in (0, "valid") and all(
            (node.stride, node.dilation) == ((1, 1), (1, 1)) for node in nodes
        )
        maps = all(len(node.output_shape) == 3 for node in nodes)
        return ((), True) if plain and maps and layer.kind.role == "conv" else None
    if value == "same":
        return (), False
    dilations = {step for node in nodes for step in node.dilation or (1, 1)}
    if len(dilations) != 1:
        return None
    more = grown * dilations.pop() // 2
    sides = value if isinstance(value, tuple) else (value,)
    new = [item + more for item in sides if isinstance(item, int)]
    if len(new) != len(sides) or min(new) < 0:
        return None
    text = str(new[0]) if not isinstance(value, tuple) else f"({', '.join(map(str, new))})"
    written = set_argument(context, layer, "padding", text)
    return None if written is None else ((written,), False)
