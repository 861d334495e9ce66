"""Another number of channels wherever a number stands in helper calls, lists and defaults."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import Growth
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted, integer
from nas_assistant.edits.operations._helpers import named_blocks, parameter_names, under
from nas_assistant.edits.operations._width import rounded, width_growth
from nas_assistant.graphs import ComputationalGraph, Node, Operation, WeightedNode

_LEAST = 8
_NOT_CHANNELS = re.compile(
    r"kernel|stride|padding|dilation|groups?$|classes|size|image|height|width_per|repeat|depth|blocks|layers|heads|"
    r"divis|reduction|ratio|expan|mult|prob|rate|dropout|seed|epoch|batch|steps|^k$|^s$|^p$|eps|momentum",
    re.IGNORECASE,
)
_RUNS_LATER = ("train_setup", "learn", "fit", "train", "evaluate", "main")


class ScaleWidth(BaseEditOperation):
    """Changes one number of channels wherever the file writes it.

    For channels that go through parameters, lists or attributes of helpers, where the groups of
    :class:`Widen` are not known. Branches that a block concatenates to the width that it is told go along.
    The sandbox has to check the result.
    """

    name = "scale_width"
    summary = "one number of channels changed wherever the file writes it"
    grows = 0
    labelled = True

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Numbers that are the width of layers built from parameters."""
        joined = _joined(context)
        widths = self._widths(context, joined)
        if not widths:
            return
        places: dict[int, list[cst.Integer]] = defaultdict(list)
        for node in context.tree.nodes(cst.Integer):
            assert isinstance(node, cst.Integer)
            if node.evaluated_value in widths and _holds_channels(context, node):
                places[node.evaluated_value].append(node)
        for width, literals in sorted(places.items()):
            if self._summed(context, width, joined):
                continue
            for factor in (1.5, 0.75, 2.0, 0.5):
                to = rounded(width, factor)
                if to == width or to in places:
                    continue
                spans = [context.tree.span(node) for node in literals]
                new = {Replacement(*span, str(to)) for span in spans}
                new |= set(_folded(context, width, to))
                offset = spans[0][0]
                nodes = widths[width]
                arguments: dict[str, int | float | str] = {"from": width, "to": to, "what": "channels"}
                if len(new) > 1:
                    arguments["places"] = len(new)
                edit = self.edit(context, offset, nodes[0].layer, arguments, shape_safe=False)
                yield Change(
                    edit,
                    tuple(sorted(new)),
                    writes=frozenset(_groups(context)),
                    relevant=tuple(node.id for node in nodes),
                )

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The layers themselves, and all that reads their channels."""
        return width_growth(graph, change)

    def _widths(self, context: EditContext, joined: Mapping[int, Node]) -> dict[int, list[Node]]:
        """Widths of layers whose number of channels is not written in their own call in this file."""
        nodes: list[Node] = []
        for layer in context.layers:
            argument = layer.arguments.get(layer.kind.produces) if layer.kind.produces else None
            if argument is not None and not isinstance(argument.value, cst.Integer):
                # Of a group that is known, Widen knows better.
                nodes += [node for node in layer.main if context.channels.group(node) is None]
        nodes += [node for node in context.elsewhere if isinstance(node, WeightedNode)]
        fixed = {context.graph.input_shape[:1], context.graph.output_shape[:1]}
        found: dict[int, list[Node]] = defaultdict(list)
        for node in nodes:
            width = joined.get(node.id, node).output_shape[:1]
            if width and width[0] >= _LEAST and width not in fixed:
                found[width[0]].append(node)
        return found

    def _summed(self, context: EditContext, width: int, joined: Mapping[int, Node]) -> bool:
        """Whether the width goes into a concatenation whose sum is written as a number of its own."""
        if not context.torch:
            return False
        layouts = context.channels.layouts
        for node in context.graph:
            if node.op is not Operation.CONCAT or not node.output_shape or node.id in joined:
                continue
            parts = [layouts.size[group] for group, _ in layouts.of(node.id) or ()]
            written = any(
                isinstance(item, cst.Integer) and item.evaluated_value == node.output_shape[0]
                for item in context.tree.nodes(cst.Integer)
            )
            if written and (width in parts or not parts):
                return True
        return False


def _joined(context: EditContext) -> dict[int, Node]:
    """For the nodes of blocks that are told how wide they come out: the concatenation that gives this width.

    ``Cell(128, 256)`` reckons the widths of its branches from 256, while the 128 channels that come out of
    ``Fire(96, 16, 64, 64)`` are those of its branches: such a width cannot be changed alone.
    """
    joined: dict[int, Node] = {}
    for name, call in named_blocks(context):
        given, nodes = {integer(argument.value) for argument in call.args}, under(context, name)
        told = [node for node in nodes if _concatenates(node) and node.output_shape[0] in given]
        if told:
            joined.update(dict.fromkeys((node.id for node in nodes), told[-1]))
    others = {
        node.output_shape[0] for node in context.graph if _concatenates(node) and joined.get(node.id) != node
    }
    return {number: node for number, node in joined.items() if node.output_shape[0] not in others}


def _concatenates(node: Node) -> bool:
    return node.op is Operation.CONCAT and len(node.output_shape) == 3


def _groups(context: EditContext) -> set[int]:
    layouts = context.channels.layouts
    return {layouts.root(group) for group in layouts.size}


def _folded(context: EditContext, width: int, to: int) -> Iterator[Replacement]:
    """Dense layers whose input is a multiple of a width that is written as one number."""
    for layer in context.layers:
        argument = layer.arguments.get("in_features")
        if argument is None or not isinstance(argument.value, cst.Integer):
            continue
        for node in layer.main:
            layout = context.channels.layouts.inputs_of(node)
            if layout is None or len(layout) != 1 or node.op is not Operation.DENSE:
                continue
            size = context.channels.layouts.size[layout[0][0]]
            if size == width and argument.value.evaluated_value == width * layout[0][1] != width:
                yield Replacement(*context.tree.span(argument.value), str(to * layout[0][1]))


def _holds_channels(context: EditContext, node: cst.Integer) -> bool:
    """Whether a number stands where channels may stand."""
    tree = context.tree
    function = tree.enclosing(node, cst.FunctionDef)
    if isinstance(function, cst.FunctionDef) and function.name.value in _RUNS_LATER:
        return False
    child: cst.CSTNode = node
    for around in tree.ancestors(node):
        if isinstance(around, cst.Subscript | cst.Comparison | cst.FormattedString):
            return False
        if isinstance(around, cst.Arg):
            return _argument(context, around)
        if isinstance(around, cst.Param):
            return not _NOT_CHANNELS.search(around.name.value)
        if isinstance(around, cst.Assign | cst.AnnAssign):
            target = around.targets[0].target if isinstance(around, cst.Assign) else around.target
            return not _NOT_CHANNELS.search(dotted(target).rpartition(".")[2])
        if isinstance(around, cst.BaseStatement | cst.Return):
            return isinstance(around, cst.For) and around.iter is child
        child = around
    return False


def _argument(context: EditContext, argument: cst.Arg) -> bool:
    call = context.tree.parents[argument]
    if not isinstance(call, cst.Call):
        return False
    name = dotted(call.func)
    layer = next((item for item in _all(context) if item.call is call), None)
    if layer is not None:
        names = {id(value): key for key, value in layer.arguments.items()}
        key = names.get(id(argument), "")
        return key == layer.kind.produces or key in layer.kind.follows
    last = name.rpartition(".")[2]
    if last in ("append", "extend", "list", "tuple", "int", "enumerate", "zip", "max", "min"):
        return True
    if not context.builds(call):
        return False
    if argument.keyword is not None:
        return not _NOT_CHANNELS.search(argument.keyword.value)
    names_in_order = parameter_names(context, call)
    position = list(call.args).index(argument)
    return position >= len(names_in_order) or not _NOT_CHANNELS.search(names_in_order[position])


def _all(context: EditContext) -> tuple[LayerCall, ...]:
    return (*context.layers, *context.unused_layers)
