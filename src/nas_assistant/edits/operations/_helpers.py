"""The file's own functions and classes that build layers."""

from __future__ import annotations

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._source import dotted
from nas_assistant.graphs import Node


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
