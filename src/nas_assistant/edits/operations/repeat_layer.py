"""A layer or block twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import Growth, once_more
from nas_assistant.edits._places import next_item, place_of, put_behind, wrappable
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._arguments import bias_back, left_out_bias
from nas_assistant.edits.operations._around import (
    is_depthwise,
    norm_behind,
    norms_behind,
    reads_product,
    runs_again,
)
from nas_assistant.edits.operations._ends import gives_scores, is_linear_at_times
from nas_assistant.edits.operations._fresh import Written, activation, norm_again
from nas_assistant.edits.operations._helpers import named_blocks, under
from nas_assistant.edits.operations._text import copied, has_fixed_stride
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, ComputationalGraph, Node, Operation


class RepeatLayer(BaseEditOperation):
    """Builds a layer or block that keeps its input's shape a second time, behind itself.

    A layer without an activation of its own gets one in between, since two linear maps in a row are one, and
    a normalisation of the same kind where one stands behind the layer.
    """

    name = "repeat_layer"
    summary = "a layer or block that keeps its input's shape a second time"
    grows = 1
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes, and blocks of the network's own with an activation.

        A depthwise convolution is followed by its pointwise half instead, and the projection behind an
        attention stays the linear map that it is.
        """
        for layer in context.layers:
            if layer.kind.role not in ("conv", "dense", "separable") or gives_scores(context, layer):
                continue
            if any(node.input_shape != last.output_shape
                   for node, last in zip(layer.main, layer.last, strict=False)):  # fmt: skip
                continue
            if len(layer.main) != len(layer.last) or not _one_line(context, layer.call):
                continue
            if is_linear_at_times(context, layer):
                continue
            if not has_fixed_stride(context, layer) or is_depthwise(layer):
                continue
            if layer.kind.role == "dense" and reads_product(context, layer):
                continue
            if not context.torch and not any(node.op in ACTIVATIONS for node in layer.nodes):
                continue
            between = _between(context, layer) if context.torch else {}
            again = _again(context, layer)
            if between is not None and again is not None:
                bias = _bias(context, layer, between)
                yield from self._change(
                    context, layer.call, list(layer.main), layer.layer, again, between, bias
                )
        yield from self._blocks(context)

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The layers again, each with a normalisation."""
        return once_more(graph.nodes[node] for node in change.relevant)

    def _change(
        self,
        context: EditContext,
        call: cst.Call,
        nodes: list[Node],
        layer: str,
        again: str,
        between: Mapping[Operation, Written] = MappingProxyType({}),
        bias: Sequence[Replacement] = (),
    ) -> Iterator[Change]:
        holder = LayerCall(call, context.kinds["Dropout"], tuple(nodes), {})
        if place_of(context, call).form != "item" and not wrappable(context, holder):
            return
        if "name=" in context.tree.code(call):
            return
        texts = [*(text for text, _ in between.values()), again]
        placed = put_behind(context, holder, texts)
        if placed is None:
            return
        start = context.tree.span(call)[0]
        edit = self.edit(context, start, layer, {"what": "once more behind itself"})
        introduces = frozenset(op.value for op in (*(node.op for node in nodes), *between))
        groups: frozenset[int] = frozenset()
        for node in nodes:
            groups |= context.channels.groups_at(node)
        yield Change(
            edit,
            (*placed, *bias, *(item for _, imports in between.values() for item in imports)),
            introduces=introduces,
            reads=groups,
            relevant=tuple(node.id for node in nodes),
            needs=norms_behind(context, holder),
        )

    def _blocks(self, context: EditContext) -> Iterator[Change]:
        for name, call in named_blocks(context):
            nodes = under(context, name)
            if (
                any(node.op in ACTIVATIONS for node in nodes)
                and _keeps_shape(context, nodes)
                and _one_line(context, call)
                and _rebuilds(context, call)
                and not _runs_next(context, call)
            ):
                yield from self._change(context, call, nodes, name, context.tree.code(call))


def _again(context: EditContext, layer: LayerCall) -> str | None:
    """The call once more, reading what the first gives; None where that cannot be written."""
    text = context.tree.code(layer.call)
    given = layer.arguments.get(layer.kind.produces)
    for name in layer.kind.follows:
        read = layer.arguments.get(name)
        if read is None or given is None or context.tree.code(read.value) == context.tree.code(given.value):
            continue
        new = copied(context, given.value)
        if new is None or "groups" in layer.arguments:
            return None
        first = context.tree.span(layer.call)[0]
        start, end = (place - first for place in context.tree.span(read.value))
        data = text.encode()
        text = data[:start].decode() + new + data[end:].decode()
    return text


def _between(context: EditContext, layer: LayerCall) -> dict[Operation, Written] | None:
    """What comes between a layer and itself, in order; None where that differs from use to use.

    Nor is there anything where the normalisation behind the layer cannot stand in between.
    """
    behind = norm_behind(context, layer)
    if behind is None or (behind and runs_again(layer)):
        return None
    own = norm_again(context, layer) if behind else None
    if behind and own is None:
        return None
    normal = {} if own is None else dict([own])
    active = dict([activation(context, layer)])
    return {**normal, **active} if behind == "layer" else {**active, **normal}


def _bias(context: EditContext, layer: LayerCall, between: Mapping[Operation, Written]) -> list[Replacement]:
    """The bias of a convolution that only an activation now keeps from what normalises it further down."""
    bias = left_out_bias(context, layer)
    if bias is None or layer.kind.role != "conv" or not between or NORMALISATIONS & between.keys():
        return []
    back = bias_back(context, bias)
    return [] if back is None else [back]


def _rebuilds(context: EditContext, call: cst.Call) -> bool:
    """Whether the arguments of a call may be evaluated twice; methods may keep count of something."""
    return not dotted(call.func).startswith("self.") and not any(item.star for item in call.args)


def _runs_next(context: EditContext, call: cst.Call) -> bool:
    """Whether the same call stands next in a container: behind that one, it comes to the same."""
    behind = next_item(context, call)
    return behind is not None and context.tree.code(behind) == context.tree.code(call)


def _one_line(context: EditContext, call: cst.Call) -> bool:
    return "\n" not in context.tree.code(call)


def _keeps_shape(context: EditContext, nodes: list[Node]) -> bool:
    """Whether a block has one input and one output, of one shape."""
    ids = {node.id for node in nodes}
    outside = {item for node in nodes for item in node.inputs if item not in ids}
    exits = [node for node in nodes if any(user not in ids for user in context.users.get(node.id, []))]
    if len(outside) != 1 or len(exits) != 1:
        return False
    return context.graph.nodes[outside.pop()].output_shape == exits[0].output_shape
