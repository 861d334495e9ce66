"""A skip connection around a layer or block that keeps its input's shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted, self_attribute
from nas_assistant.edits.operations._around import PASSING
from nas_assistant.edits.operations._text import same_by_name
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation, WeightedNode

_LIGHT = ACTIVATIONS | NORMALISATIONS | {Operation.DROPOUT, Operation.IDENTITY, Operation.MAX_POOL,
                                         Operation.AVG_POOL, Operation.PAD, Operation.RESHAPE}  # fmt: skip
_KEEPING = ACTIVATIONS | NORMALISATIONS | PASSING


class AddSkip(BaseEditOperation):
    """Adds a layer's input to its output: ``self.conv(x)`` becomes ``self.conv(x) + x``."""

    name = "add_skip"
    summary = "a skip connection around a layer or block that keeps its input's shape"
    grows = 1
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Calls of the forward pass whose nodes take and give one shape, with weights in between."""
        adder = "" if context.torch else _adder(context)
        for offset, nodes in sorted(context.called_at.items()):
            call = self._call(context, offset)
            if call is None or _unpacked(context, call):
                continue
            if not _residual(context, nodes) or not _by_name(context, nodes) or _summed(context, nodes):
                continue
            before = call.args[0].value
            if not isinstance(before, cst.Name) or _added(context, call, before.value):
                continue
            end = context.tree.span(call)[1]
            simple = isinstance(context.tree.parents[call], cst.Assign | cst.Return | cst.Arg | cst.AnnAssign)
            opening = f"{adder}([" if adder else "" if simple else "("
            closing = f", {before.value}])" if adder else f" + {before.value}" + ("" if simple else ")")
            new = [Replacement(end, end, closing)]
            if opening:
                new.insert(0, Replacement(offset, offset, opening))
            maker = dotted(call.func.func) if isinstance(call.func, cst.Call) else ""
            called = f"{maker}(…)" if maker else context.tree.code(call.func)[:40]
            what = f"{called}({before.value}) + {before.value}"
            edit = self.edit(context, offset, nodes[0].layer or called, {"what": what})
            introduces = frozenset({Operation.ADD.value})
            relevant = tuple(node.id for node in nodes)
            groups = context.channels.groups_at(nodes[-1]) | context.channels.groups_at(
                context.graph.nodes[nodes[0].inputs[0]]
            )
            yield Change(edit, tuple(new), introduces=introduces, reads=groups, relevant=relevant)

    def _call(self, context: EditContext, offset: int) -> cst.Call | None:
        for call in context.tree.calls.get(offset, []):
            if len(call.args) != 1 or call.args[0].star or call.args[0].keyword is not None:
                continue
            if self_attribute(call.func) is not None:
                return call
            functional = isinstance(call.func, cst.Call) and dotted(call.func.func)
            if functional and not context.torch:
                return call
        return None


def _adder(context: EditContext) -> str:
    """The function with which a Keras file adds a list of tensors; none where it has an operator for that."""
    for call in context.tree.nodes(cst.Call):
        assert isinstance(call, cst.Call)
        if not call.args or not isinstance(call.args[0].value, cst.List | cst.Tuple):
            continue
        layer = dotted(call.func.func) if isinstance(call.func, cst.Call) else ""
        if layer.rpartition(".")[2] == "Add":
            return f"{layer}()"
        if dotted(call.func).rpartition(".")[2] == "add":
            return dotted(call.func)
    return ""


def _unpacked(context: EditContext, call: cst.Call) -> bool:
    """Whether a call gives a tuple, of which the file takes a part."""
    parent = context.tree.parents[call]
    if isinstance(parent, cst.Assign):
        return any(isinstance(target.target, cst.Tuple | cst.List) for target in parent.targets)
    return isinstance(parent, cst.Subscript)


def _added(context: EditContext, call: cst.Call, name: str) -> bool:
    """Whether a call's input is added to its output already."""
    parent = context.tree.parents[call]
    return isinstance(parent, cst.BinaryOperation) and name in map(dotted, (parent.left, parent.right))


def _by_name(context: EditContext, nodes: list[Node]) -> bool:
    """Whether layers that one function creates keep their input's shape for any of its arguments."""
    made = [context.made_by.get(node.id) for node in nodes if isinstance(node, WeightedNode)]
    layers = [layer for layer in made if layer is not None and layer.kind.role != "norm"]
    scopes = {id(context.tree.enclosing(layer.call, cst.FunctionDef)) for layer in layers}
    return len(scopes) != 1 or same_by_name(context, layers[0], layers[-1])


def _ends(context: EditContext, nodes: list[Node]) -> tuple[list[Node], list[Node]]:
    """The nodes of a call that read others, and those that others read."""
    ids = {node.id for node in nodes}
    entries = [node for node in nodes if not ids.intersection(node.inputs)]
    exits = [node for node in nodes if any(user not in ids for user in context.users.get(node.id, []))]
    return entries, exits


def _summed(context: EditContext, nodes: list[Node]) -> bool:
    """Whether the network adds a call's input to its output already: within, at once, or further on."""
    for first, last in zip(*_ends(context, nodes), strict=True):
        read = _chain(context, first.inputs, lambda node: node.inputs, _KEEPING)
        adding = _KEEPING | {Operation.ADD}
        users = context.users.get(last.id, ())
        given = _chain(context, users, lambda node: context.users.get(node.id, ()), adding)
        sums = [number for number in given if context.graph.nodes[number].op is Operation.ADD]
        if read & _chain(context, [last.id, *sums], lambda node: node.inputs, adding):
            return True
    return False


def _chain(
    context: EditContext,
    start: Iterable[int],
    ways: Callable[[Node], Iterable[int]],
    passing: Set[Operation],
) -> set[int]:
    """Some nodes, and those to which ways lead from them through nodes of some operations."""
    found, waiting = set[int](), list(start)
    while waiting:
        number = waiting.pop()
        node = context.graph.nodes[number]
        if number not in found and _passes(node, passing):
            waiting.extend(ways(node))
        found.add(number)
    return found


def _passes(node: Node, passing: Set[Operation]) -> bool:
    # A product of one input is one with a weight, as behind a branch that a factor scales.
    return node.op in passing or (node.op is Operation.MUL and len(node.inputs) == 1)


def _residual(context: EditContext, nodes: list[Node]) -> bool:
    """Whether the nodes of one call are one chain from a shape to the same shape, each time it is made."""
    if all(node.op in _LIGHT for node in nodes) or any(node.op is Operation.RECURRENT for node in nodes):
        return False
    entries, exits = _ends(context, nodes)
    if len(entries) != len(exits) or any(len(node.inputs) != 1 for node in entries):
        return False
    if any(node.op in ACTIVATIONS for node in entries):
        return False
    if len({node.op for node in entries} & {Operation.ADD, Operation.CONCAT}):
        return False
    return all(
        first.id <= last.id and first.input_shape == last.output_shape
        for first, last in zip(entries, exits, strict=True)
    )
