"""The file's own functions and classes that build layers."""

from __future__ import annotations

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._source import dotted


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


def parameter_names(context: EditContext, call: cst.Call) -> list[str]:
    """Names of the positional parameters of what a call calls, where this file defines it."""
    found = definition(context, call)
    if isinstance(found, cst.ClassDef):
        inits = [
            item
            for item in found.body.body
            if isinstance(item, cst.FunctionDef) and item.name.value == "__init__"
        ]
        found = inits[0] if inits else None
    if not isinstance(found, cst.FunctionDef):
        return []
    names = [item.name.value for item in found.params.params]
    return names[1:] if names[:1] == ["self"] else names
