"""A layer or block twice."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._places import place_of, put_behind, wrappable
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._helpers import definition
from nas_assistant.edits.operations._text import Written, is_output, relu
from nas_assistant.graphs import ACTIVATIONS, Node, Operation


class RepeatLayer(BaseEditOperation):
    """Builds a layer or block that keeps its input's shape a second time, behind itself.

    A layer without an activation of its own gets one in between: two linear maps in a row are one.
    """

    name = "repeat_layer"
    summary = "a layer or block that keeps its input's shape a second time"
    grows = 1

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Layers with equal input and output shapes, and the file's own blocks used as attributes."""
        for layer in context.layers:
            if layer.kind.role not in ("conv", "dense", "separable") or is_output(context, layer):
                continue
            if any(node.input_shape != last.output_shape
                   for node, last in zip(layer.main, layer.last, strict=False)):  # fmt: skip
                continue
            if len(layer.main) != len(layer.last) or not _one_line(context, layer.call):
                continue
            if not context.torch and not any(node.op in ACTIVATIONS for node in layer.nodes):
                continue
            between = relu(context) if context.torch else None
            yield from self._change(context, layer.call, list(layer.main), layer.layer, between)
        yield from self._blocks(context)

    def _change(
        self,
        context: EditContext,
        call: cst.Call,
        nodes: list[Node],
        layer: str,
        between: Written | None = None,
    ) -> Iterator[Change]:
        from nas_assistant.edits._context import LayerCall

        holder = LayerCall(call, context.kinds["Dropout"], tuple(nodes), {})
        if place_of(context, call).form != "item" and not wrappable(context, holder):
            return
        if "name=" in context.tree.code(call):
            return
        active, imports = ([between[0]], between[1]) if between else ([], ())
        placed = put_behind(context, holder, [*active, context.tree.code(call)])
        if placed is None:
            return
        start = context.tree.span(call)[0]
        edit = self.edit(context, start, layer, {"what": "once more behind itself"})
        introduces = frozenset(
            {*(node.op.value for node in nodes), *([Operation.RELU.value] if between else [])}
        )
        groups: frozenset[int] = frozenset()
        for node in nodes:
            groups |= context.channels.groups_at(node)
        yield Change(
            edit,
            (*placed, *imports),
            introduces=introduces,
            reads=groups,
            relevant=tuple(node.id for node in nodes),
        )

    def _blocks(self, context: EditContext) -> Iterator[Change]:
        if not context.torch:
            return
        for assign in context.tree.nodes(cst.Assign):
            if not isinstance(assign, cst.Assign) or not isinstance(assign.value, cst.Call):
                continue
            call = assign.value
            name = place_of(context, call).name
            if not name or not isinstance(definition(context, call), cst.ClassDef | cst.FunctionDef):
                continue
            owner = context.tree.enclosing(call, cst.ClassDef)
            if not isinstance(owner, cst.ClassDef) or owner.name.value != context.graph.name:
                continue
            nodes = [
                node for node in context.graph if node.layer == name or node.layer.startswith(name + ".")
            ]
            if (
                nodes
                and _keeps_shape(context, nodes)
                and _one_line(context, call)
                and _rebuilds(context, call)
            ):
                yield from self._change(context, call, nodes, name)


def _rebuilds(context: EditContext, call: cst.Call) -> bool:
    """Whether the arguments of a call may be evaluated twice; methods may keep count of something."""
    return not dotted(call.func).startswith("self.") and not any(item.star for item in call.args)


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
