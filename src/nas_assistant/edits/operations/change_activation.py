"""Another activation in the place of one."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits._tables import in_table
from nas_assistant.edits.operations import _activations as spelt
from nas_assistant.edits.operations._ends import makes_output, scales
from nas_assistant.graphs import Node, Operation


class ChangeActivation(BaseEditOperation):
    """Swaps ReLU, GELU, SiLU, hard swish, leaky ReLU and ELU for one another.

    Wherever it is written: a layer of its own, a function in the forward pass, or the ``activation`` of a
    Keras layer.
    """

    name = "change_activation"
    summary = "another activation function"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Activations inside the network; what makes its output stays, as does an entry of a table."""
        for layer in context.layers:
            nodes = [node for node in layer.nodes if node.op in spelt.REPLACEABLE]
            if not nodes or len({node.op for node in nodes}) > 1 or _gates(context, nodes):
                continue
            if layer.kind.role == "activation" and in_table(context, layer.call):
                continue
            yield from self._layer(context, layer, nodes)
        made = {node.id for layer in context.layers for node in layer.nodes}
        for offset, called in sorted(context.called_at.items()):
            nodes = [node for node in called if node.op in spelt.REPLACEABLE and node.id not in made]
            if nodes and len({node.op for node in nodes}) == 1 and not _gates(context, nodes):
                yield from self._function(context, offset, nodes)

    def _change(
        self,
        context: EditContext,
        offset: int,
        nodes: list[Node],
        to: Operation,
        replacements: tuple[Replacement, ...],
    ) -> Change:
        layer = nodes[0].layer or nodes[0].op.value
        edit = self.edit(context, offset, layer, {"from": nodes[0].op.value, "to": to.value})
        relevant = tuple(node.id for node in nodes)
        return Change(edit, replacements, introduces=frozenset({to.value}), relevant=relevant)

    def _layer(self, context: EditContext, layer: LayerCall, nodes: list[Node]) -> Iterator[Change]:
        start, end = context.tree.span(layer.call)
        argument = layer.arguments.get("activation")
        present = nodes[0].op
        for to in spelt.CHOICES:
            if to is present:
                continue
            if context.torch:
                if layer.kind.role != "activation" or "num_parameters" in layer.kind.parameters:
                    return
                name, imports = context.imports.name(spelt.TORCH_CLASS[to])
                new = (Replacement(start, end, f"{name}({_inplace(context, layer, to)})"), *imports)
            elif argument is not None:
                text = _named(context, argument.value, to)
                if text is None:
                    return
                new = (Replacement(*context.tree.span(argument.value), text),)
            elif layer.kind.role == "activation" and not layer.call.args:
                name, imports = context.imports.name("Activation")
                new = (Replacement(start, end, f'{name}("{spelt.KERAS_NAME[to]}")'), *imports)
            else:
                return
            yield self._change(context, start, nodes, to, new)

    def _function(self, context: EditContext, offset: int, nodes: list[Node]) -> Iterator[Change]:
        for call in context.tree.calls.get(offset, []):
            name = dotted(call.func)
            full = context.imports.full(name)
            last = full.rpartition(".")[2]
            plain = [item for item in call.args if item.keyword is None or item.keyword.value != "inplace"]
            if not name or len(plain) != 1 or name.startswith("self.") or in_table(context, call):
                continue
            if context.torch and last.rstrip("_") in {*spelt.TORCH_FUNCTION.values(), "tanh"}:
                yield from self._torch_function(context, offset, call, nodes)
            elif not context.torch and last in {*spelt.KERAS_SPELLINGS, "tanh"} and "." in name:
                for to in spelt.CHOICES:
                    if to is not nodes[0].op:
                        yield self._keras_function(context, offset, call, nodes, to)

    def _torch_function(
        self, context: EditContext, offset: int, call: cst.Call, nodes: list[Node]
    ) -> Iterator[Change]:
        if not context.imports.full(dotted(call.func)).startswith("torch"):
            return
        start, end = context.tree.span(call)
        inner = context.tree.code(call.args[0].value)
        for to in spelt.CHOICES:
            if to is nodes[0].op or call.args[0].keyword is not None:
                continue
            name, imports = context.imports.functional(spelt.TORCH_FUNCTION[to])
            new = (Replacement(*context.tree.span(call.func), name), *imports)
            if len(call.args) > 1:
                new = (Replacement(start, end, f"{name}({inner})"), *imports)
            yield self._change(context, offset, nodes, to, new)

    def _keras_function(
        self, context: EditContext, offset: int, call: cst.Call, nodes: list[Node], to: Operation
    ) -> Change:
        head = dotted(call.func).rpartition(".")[0]
        function = spelt.KERAS_FUNCTION[to]
        if context.imports.full(head) == "tensorflow.nn":
            head, function = head.rpartition(".")[0] + ".keras.activations", spelt.KERAS_FUNCTION[to]
        new = Replacement(*context.tree.span(call.func), f"{head}.{function}")
        return self._change(context, offset, nodes, to, (new,))


def _inplace(context: EditContext, layer: LayerCall, to: Operation) -> str:
    argument = layer.arguments.get("inplace")
    if argument is None or to is Operation.GELU:
        return ""
    text = context.tree.code(argument.value)
    return f"inplace={text}" if text in ("True", "False") else ""


def _named(context: EditContext, value: cst.BaseExpression, to: Operation) -> str | None:
    """Text for an ``activation`` argument, in the manner of the present one."""
    if isinstance(value, cst.SimpleString):
        quote = value.quote
        return f"{quote}{spelt.KERAS_NAME[to]}{quote}"
    return None


def _gates(context: EditContext, nodes: list[Node]) -> bool:
    """Whether an activation makes the output, or scales another branch."""
    if any(makes_output(context, node) for node in nodes):
        return True
    bounded = nodes[0].op in (Operation.TANH, Operation.RELU6)
    return bounded and any(scales(context, node) for node in nodes)
