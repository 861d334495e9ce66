"""The file's own functions and classes that build layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._source import dotted, self_attribute
from nas_assistant.graphs import Node

_CONTAINERS = ("Sequential", "ModuleList")


def definition(context: EditContext, call: cst.Call) -> cst.FunctionDef | cst.ClassDef | None:
    """The function, method or class of this file that a call calls."""
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    if not name or (name != last and not name.startswith("self.")):
        return None
    for node in context.tree.nodes(cst.FunctionDef, cst.ClassDef):
        if isinstance(node, cst.FunctionDef | cst.ClassDef) and node.name.value == last:
            return node
    return None


def init_of(definition: cst.ClassDef) -> cst.FunctionDef | None:
    """The constructor that a class defines itself."""
    for item in definition.body.body:
        if isinstance(item, cst.FunctionDef) and item.name.value == "__init__":
            return item
    return None


def parameter_names(context: EditContext, call: cst.Call) -> list[str]:
    """Names of the positional parameters of what a call calls, where this file defines it."""
    found = definition(context, call)
    if isinstance(found, cst.ClassDef):
        found = init_of(found)
    if not isinstance(found, cst.FunctionDef):
        return []
    names = [item.name.value for item in found.params.params]
    return names[1:] if names[:1] == ["self"] else names


def nodes_of(context: EditContext, attribute: str, owner: cst.CSTNode) -> list[Node]:
    """The nodes that run under ``self.attribute`` of a class of the file, wherever that class is used."""
    found = [node for node in context.graph if attribute in node.layer.split(".")]
    start, end = context.tree.span(owner)
    inside = []
    for node in found:
        place = None if node.call is None or node.call.column is None else node.call
        offset = None if place is None else context.tree.offset(place.line, place.column or 0)
        if offset is not None and start <= offset < end:
            inside.append(node)
    # A block with a forward pass of its own runs its nodes there, not in the class that holds it.
    return inside or found


def named_blocks(context: EditContext) -> Iterator[tuple[str, cst.Call]]:
    """The blocks that a PyTorch network constructs itself, as attributes or in containers, by dotted name."""
    if not context.torch:
        return
    for assign in context.tree.nodes(cst.Assign):
        if not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
            continue
        owner, name = context.tree.enclosing(assign, cst.ClassDef), self_attribute(assign.targets[0].target)
        if name and isinstance(owner, cst.ClassDef) and owner.name.value == context.graph.name:
            yield from _blocks_in(context, assign.value, name)


def _blocks_in(context: EditContext, node: cst.BaseExpression, name: str) -> Iterator[tuple[str, cst.Call]]:
    if not isinstance(node, cst.Call):
        return
    if context.builds(node):
        yield name, node
        return
    if dotted(node.func).rpartition(".")[2] not in _CONTAINERS:
        return
    items: Sequence[cst.Arg | cst.BaseElement] = node.args
    listed = items[0].value if len(items) == 1 else None
    if isinstance(listed, cst.List | cst.Tuple):
        items = listed.elements
    for position, item in enumerate(items):
        if isinstance(item, cst.StarredElement) or (isinstance(item, cst.Arg) and item.star):
            return
        yield from _blocks_in(context, item.value, f"{name}.{position}")


def under(context: EditContext, name: str) -> list[Node]:
    """The nodes that run in the module of a dotted name."""
    return [node for node in context.graph if f"{node.layer}.".startswith(f"{name}.")]
