"""One more layer in a network that is written as a list of widths."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._growth import Growth, once_more
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted, integer
from nas_assistant.graphs import ComputationalGraph

_LEAST = 8
_WORD = re.compile(r"\w+")
_TO_STRING = re.compile(r"(^str|\.format)$")


class RepeatEntry(BaseEditOperation):
    """Doubles an entry of a list such as ``[64, "M", 128, "M"]``: one more layer of that width.

    How the file reads the list is not followed: the network that it builds has to show the layer.
    """

    name = "repeat_entry"
    summary = "one more layer in a list of widths"
    grows = 1
    replaces = False
    labelled = True
    adds_layers = True

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Entries of lists of widths, with or without marks for pools between them.

        Not where the entries tell layers apart: two of one name do not go together; nor where a layer is
        made by which entry it is of, as a stage with a stride from the second on.
        """
        known = {node.output_shape[0] for node in context.graph.weighted_nodes if node.output_shape}
        for holder in context.tree.nodes(cst.List):
            if not isinstance(holder, cst.List) or not _widths(holder) or _names(context, holder):
                continue
            if _counts(context, holder):
                continue
            values = [integer(item.value) for item in holder.elements]
            for position, item in enumerate(holder.elements):
                value = values[position]
                if value is None or value not in known or values[position - 1 : position] == [value]:
                    continue
                start, end = context.tree.span(item)
                text = context.tree.code(item)
                edit = self.edit(
                    context,
                    start,
                    f"{position + 1} of {len(values)}",
                    {"width": value, "what": "once more"},
                    shape_safe=False,
                )
                nodes = [n.id for n in context.graph.weighted_nodes if n.output_shape[:1] == (value,)]
                yield Change(edit, (Replacement(end, end, f", {text}"),), relevant=tuple(nodes))

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The layers again, each with a normalisation."""
        return once_more(graph.nodes[node] for node in change.relevant)


def _widths(holder: cst.List) -> bool:
    """Whether a list reads like the widths of layers."""
    numbers = [
        integer(item.value) for item in holder.elements if not isinstance(item.value, cst.SimpleString)
    ]
    return len(numbers) >= 2 and all(number is not None and number >= _LEAST for number in numbers)


def _names(context: EditContext, holder: cst.List) -> bool:
    """Whether a loop over a list puts its entries into strings."""
    tree = context.tree
    for use in tree.nodes(cst.Name):
        if not _goes_into_string(context, use):
            continue
        for around in tree.ancestors(use):
            loop = around if isinstance(around, cst.For) else getattr(around, "for_in", None)
            if (
                loop is not None
                and tree.code(use) in _entries(context, loop)
                and _reads(context, loop, holder)
            ):
                return True
    return False


def _counts(context: EditContext, holder: cst.List) -> bool:
    """Whether a loop over a list compares the numbers of its entries with something."""
    tree = context.tree
    for comparison in tree.nodes(cst.Comparison):
        words = set(_WORD.findall(tree.code(comparison)))
        for around in tree.ancestors(comparison):
            loop = around if isinstance(around, cst.For) else getattr(around, "for_in", None)
            if (
                loop is not None
                and words.intersection(_numbers(context, loop))
                and _reads(context, loop, holder)
            ):
                return True
    return False


def _reads(context: EditContext, loop: cst.CSTNode, holder: cst.List) -> bool:
    """Whether a loop is over a list, written in it or under a name."""
    assert isinstance(loop, cst.For | cst.CompFor)
    tree, assign = context.tree, context.tree.parents[holder]
    targets = assign.targets if isinstance(assign, cst.Assign) else ()
    known = {dotted(target.target).rpartition(".")[2] for target in targets}
    return tree.inside(holder, loop.iter) or bool(known.intersection(_WORD.findall(tree.code(loop.iter))))


def _entries(context: EditContext, loop: cst.For | cst.CompFor) -> list[str]:
    """The names that a loop gives to the entries of a list, and not to their numbers."""
    return _WORD.findall(context.tree.code(loop.target))[len(_numbers(context, loop)) :]


def _numbers(context: EditContext, loop: cst.For | cst.CompFor) -> list[str]:
    """The name that a loop gives to the number of an entry, if any."""
    counted = context.tree.code(loop.iter).startswith("enumerate(")
    return _WORD.findall(context.tree.code(loop.target))[:1] if counted else []


def _goes_into_string(context: EditContext, use: cst.CSTNode) -> bool:
    for around in context.tree.ancestors(use):
        if isinstance(around, cst.FormattedString):
            return True
        if isinstance(around, cst.BinaryOperation) and isinstance(around.left, cst.SimpleString):
            return True
        if isinstance(around, cst.Call) and _TO_STRING.search(context.tree.code(around.func)):
            return True
        if isinstance(around, cst.BaseStatement):
            return False
    return False
