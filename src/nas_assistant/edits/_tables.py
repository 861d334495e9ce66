"""Layers that a file knows by a name, which would be wrong if they were others."""

from __future__ import annotations

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._order import is_sequential
from nas_assistant.edits._source import SourceTree, dotted


def in_table(context: EditContext, call: cst.Call) -> bool:
    """Whether a call gives an entry of a table, as ``{"relu": nn.ReLU()}``, which is known by its key.

    So it is in ``if name == "relu": return nn.ReLU()``.
    """
    tree = context.tree
    if _is_chosen(tree, call):
        return True
    entry: cst.CSTNode = call
    while isinstance(tree.parents[entry], cst.Lambda):
        entry = tree.parents[entry]
    parent = tree.parents[entry]
    outer = tree.parents.get(parent)
    if isinstance(parent, cst.Arg) and isinstance(outer, cst.Call) and parent.keyword is not None:
        table: cst.CSTNode = outer
        found = dotted(outer.func).rpartition(".")[2] in ("dict", "OrderedDict")
    elif isinstance(parent, cst.Element) and isinstance(outer, cst.Tuple | cst.List):
        table = outer
        key = outer.elements[0].value
        found = len(outer.elements) == 2 and isinstance(key, cst.SimpleString) and key is not entry
        found = found and isinstance(tree.parents[outer], cst.Element)
    else:
        table, found = parent, isinstance(parent, cst.DictElement) and parent.value is entry
    # The names of the layers of a Sequential are no keys: all of its layers run.
    calls = (item for item in tree.ancestors(table) if isinstance(item, cst.Call))
    return found and not any(is_sequential(context, item) for item in calls)


def _is_chosen(tree: SourceTree, call: cst.Call) -> bool:
    """Whether a call alone is returned or assigned where something is equal to a string, or is not."""
    if not isinstance(tree.parents[call], cst.AnnAssign | cst.Assign | cst.IfExp | cst.Return):
        return False
    for around in tree.ancestors(call):
        if isinstance(around, cst.FunctionDef | cst.ClassDef):
            return False
        test = around.test if isinstance(around, cst.If | cst.IfExp) else None
        if isinstance(test, cst.Comparison) and not tree.inside(call, test):
            sides = (test.left, *(item.comparator for item in test.comparisons))
            if "__name__" not in map(dotted, sides) and any(isinstance(s, cst.SimpleString) for s in sides):
                return True
    return False
