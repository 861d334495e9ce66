"""A depthwise separable convolution for a full one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import Growth, positions, total
from nas_assistant.edits._places import place_of, wrap, wrappable
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._text import biasless, copied
from nas_assistant.graphs import ComputationalGraph, Node, Operation

_KEPT = ("kernel_size", "stride", "padding", "dilation")
_KERAS_KEPT = frozenset(
    {
        "filters", "kernel_size", "strides", "padding", "activation", "use_bias", "name", "dilation_rate",
        "input_shape",
    }
)  # fmt: skip


class SwapConv(BaseEditOperation):
    """Turns a convolution into a depthwise one and a pointwise one (Howard et al. 2017, section 3.1)."""

    name = "swap_conv"
    summary = "a depthwise separable convolution for a full one"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Two-dimensional convolutions with a kernel above 1 and no groups; not the first layer."""
        for layer in context.layers:
            if layer.kind.role != "conv" or not layer.main or "groups" in layer.arguments or layer.extended:
                continue
            fits = all(
                node.op is Operation.CONV
                and node.kernel not in (None, (1, 1))
                and len(node.input_shape) == 3
                and node.input_shape[0] > 4
                for node in layer.main
            )
            if not fits or any(len(node.output_shape) != 3 for node in layer.main):
                continue
            made = self._torch(context, layer) if context.torch else self._keras(context, layer)
            if made is None:
                continue
            start = context.tree.span(layer.call)[0]
            edit = self.edit(context, start, layer.layer, {"from": "conv", "to": "depthwise separable conv"})
            groups: frozenset[int] = frozenset()
            for node in layer.main:
                groups |= context.channels.groups_at(node)
                groups |= context.channels.groups_at(context.graph.nodes[node.inputs[0]])
            introduces = frozenset({Operation.DEPTHWISE_CONV.value})
            relevant = tuple(node.id for node in layer.main)
            yield Change(edit, made, introduces=introduces, reads=groups, relevant=relevant)

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """Of the two convolutions over the one; mostly less than nothing."""
        return total(_separated(graph.nodes[node]) for node in change.relevant)

    def _torch(self, context: EditContext, layer: LayerCall) -> tuple[Replacement, ...] | None:
        if any(item.star for item in layer.call.args) or "padding_mode" in layer.arguments:
            return None
        texts = {name: copied(context, layer.arguments[name].value)
                 for name in ("in_channels", "out_channels") if name in layer.arguments}  # fmt: skip
        first, second = texts.get("in_channels"), texts.get("out_channels")
        if first is None or second is None or not wrappable(context, layer):
            return None
        if context.tree.shares_line(layer.call):
            return None
        kept = [
            f"{name}={cst.Module([]).code_for_node(layer.arguments[name].value)}"
            for name in _KEPT
            if name in layer.arguments
        ]
        bias = layer.arguments.get("bias")
        last = f", bias={context.tree.code(bias.value)}" if bias is not None else ""
        conv = context.tree.code(layer.call.func)
        depthwise = f"{conv}({first}, {first}, {', '.join(kept)}, groups={first}{biasless(context)})"
        pointwise = f"{conv}({first}, {second}, kernel_size=1{last})"
        if "\n" in depthwise + pointwise:
            return None
        if place_of(context, layer.call).form != "item":
            return tuple(wrap(context, layer.call, [pointwise], instead=depthwise))
        start, end = context.tree.span(layer.call)
        indent = context.tree.indentation(start)
        between = ", " if indent is None else f",{context.tree.newline}{indent}"
        return (Replacement(start, end, depthwise + between + pointwise),)

    def _keras(self, context: EditContext, layer: LayerCall) -> tuple[Replacement, ...] | None:
        named = {item.keyword.value for item in layer.call.args if item.keyword is not None}
        plain = sum(item.keyword is None for item in layer.call.args)
        old = dotted(layer.call.func)
        if not named <= _KERAS_KEPT or plain > 4 or not old.endswith("Conv2D"):
            return None
        head, dot, _ = old.rpartition(".")
        if not dot:
            name, imports = context.imports.name("SeparableConv2D")
            return (Replacement(*context.tree.span(layer.call.func), name), *imports)
        return (Replacement(*context.tree.span(layer.call.func), f"{head}.SeparableConv2D"),)


def _separated(node: Node) -> Growth:
    """What a convolution gains by becoming a depthwise and a pointwise one."""
    if not node.kernel or not node.input_shape or not node.output_shape:
        return Growth()
    area, width, wide = math.prod(node.kernel), node.input_shape[0], node.output_shape[0]
    parameters = float(area * width + width * wide - area * width * wide + width)
    return Growth(parameters, 2 * parameters * positions(node))
