"""More or fewer repetitions of what a loop builds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted, integer
from nas_assistant.edits.operations._ends import is_output
from nas_assistant.edits.operations._helpers import parameter_names

_NAME = re.compile(
    r"(^|_)(num_?blocks?|n_?blocks?|blocks?|num_?layers?|n_?layers?|layers|repeats?|depths?|num_?repeats?|"
    r"num_?units?|block_config|stages?|n|reps?)$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_MOST = 16


class ChangeRepeats(BaseEditOperation):
    """Sets a loop count, or an argument that is called like one, one up or down.

    What the loop builds is not followed: the sandbox has to check the result.
    """

    name = "change_repeats"
    summary = "one repetition of a block more or less"
    grows = 0
    labelled = True

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Counts in ``range``, and numbers under names such as ``num_blocks`` or ``depths``.

        Not those under a name that the width of the network's output is written with, or that goes into a
        rule such as ``(depth - 4) // 6``.
        """
        others = _output_names(context) | _divided_names(context)
        for node in context.tree.nodes(cst.Integer):
            assert isinstance(node, cst.Integer)
            value = node.evaluated_value
            if not 1 <= value <= _MOST:
                continue
            label = _count_name(context, node)
            if not label or _WORD.findall(label)[-1] in others:
                continue
            offset, end = context.tree.span(node)
            for to in (value + 1, value - 1):
                if to >= 1:
                    edit = self.edit(
                        context,
                        offset,
                        label,
                        {"from": value, "to": to, "what": "repetitions"},
                        shape_safe=False,
                    )
                    yield Change(edit, (Replacement(offset, end, str(to)),), relevant=_built(context, node))


def _output_names(context: EditContext) -> set[str]:
    """The names in the arguments that set the width of the network's output."""
    made = (layer for layer in context.layers if is_output(context, layer))
    given = (layer.arguments.get(layer.kind.produces) for layer in made)
    return {name for item in given if item for name in _WORD.findall(context.tree.code(item.value))}


def _divided_names(context: EditContext) -> set[str]:
    """The names in divisions without remainder, and in remainders."""
    return {
        name
        for node in context.tree.nodes(cst.BinaryOperation)
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.FloorDivide | cst.Modulo)
        for name in _WORD.findall(context.tree.code(node))
    }


def _built(context: EditContext, count: cst.Integer) -> tuple[int, ...]:
    """Ids of the nodes whose layers the loop over a range makes itself."""
    loop = context.tree.enclosing(count, cst.For, cst.CompFor)
    if loop is None or not context.tree.inside(count, loop.iter):  # type: ignore[attr-defined]
        return ()
    body = context.tree.parents[loop] if isinstance(loop, cst.CompFor) else loop
    made = [layer for layer in context.layers if context.tree.inside(layer.call, body)]
    return tuple(node.id for layer in made for node in layer.main)


def _count_name(context: EditContext, node: cst.Integer) -> str:
    """The name under which a number stands, when it reads like a count of layers."""
    tree = context.tree
    holder: cst.CSTNode = node
    parent = tree.parents[node]
    entry = ""
    if isinstance(parent, cst.Element) and isinstance(tree.parents[parent], cst.List | cst.Tuple):
        holder = tree.parents[parent]
        elements = getattr(holder, "elements", ())
        if not all(0 < (integer(item.value) or 0) <= _MOST for item in elements):
            return ""
        entry = f"[{list(elements).index(parent)}]"
        parent = tree.parents[holder]
    if isinstance(parent, cst.Arg):
        call = tree.parents[parent]
        if not isinstance(call, cst.Call):
            return ""
        if dotted(call.func) == "range" and holder is node:
            return "range" if _builds(context, call) and call.args[-1] is parent else ""
        name = parent.keyword.value if parent.keyword is not None else ""
        if not name:
            names = parameter_names(context, call)
            position = list(call.args).index(parent)
            name = names[position] if position < len(names) else ""
        return f"{dotted(call.func)}({name}{entry})" if _NAME.search(name) and context.builds(call) else ""
    if isinstance(parent, cst.Param) and parent.default is holder:
        return parent.name.value + entry if _NAME.search(parent.name.value) else ""
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        name = dotted(parent.targets[0].target)
        return name + entry if _NAME.search(name.rpartition(".")[2]) else ""
    if isinstance(parent, cst.AnnAssign):
        name = dotted(parent.target)
        return name + entry if _NAME.search(name.rpartition(".")[2]) else ""
    return ""


def _builds(context: EditContext, call: cst.Call) -> bool:
    """Whether the loop over a range builds layers of the network, at the depth of the loop itself."""
    tree = context.tree
    loop = tree.enclosing(call, cst.For, cst.CompFor)
    if loop is None:
        return False
    if isinstance(loop, cst.CompFor):
        if not tree.inside(call, loop.iter):
            return False
        loop = tree.parents[loop]
    elif not isinstance(loop, cst.For) or not tree.inside(call, loop.iter):
        return False
    start, end = tree.span(loop)
    if any(start <= tree.span(layer.call)[0] < end for layer in context.layers):
        return not _compares(context, loop)
    return not _compares(context, loop) and any(
        isinstance(node, cst.Call) and start <= tree.span(node)[0] < end and context.builds(node)
        for node in tree.nodes(cst.Call)
    )


def _compares(context: EditContext, loop: cst.CSTNode) -> bool:
    """Whether a loop goes by which repetition of a fixed number it is, as in ``if block < 2``."""
    target = getattr(loop, "target", None)
    if target is None:
        return False
    names = set(_WORD.findall(context.tree.code(target)))
    for node in context.tree.nodes(cst.Comparison):
        if isinstance(node, cst.Comparison) and context.tree.inside(node, loop):
            sides = (node.left, *(item.comparator for item in node.comparisons))
            fixed = any((integer(side) or 0) > 0 for side in sides)
            if fixed and names.intersection(_WORD.findall(context.tree.code(node))):
                return True
    return False
