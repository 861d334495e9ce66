"""Another of the file's own blocks in the place of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._places import place_of
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._ends import makes_output
from nas_assistant.edits.operations._helpers import init_of, nodes_of
from nas_assistant.graphs import Node

_Blocks: TypeAlias = Mapping[str, tuple[str, ...]]
"""The names of the arguments of the file's blocks."""
_Runs: TypeAlias = Mapping[cst.Call, list[Node]]
"""What runs under each call of a block."""
_WEIGHTED = ("conv", "depthwise", "separable", "transpose", "dense")


class SwapBlock(BaseEditOperation):
    """Constructs another class of the file where one is constructed that takes the same arguments.

    ``self.left = Conv3x3(channels)`` becomes ``self.left = MaxPool3x3(channels)``. Blocks that were seen to
    resize feature maps differently, blocks that make the output and blocks of which none has weights do not
    take each other's place. What else they compute is not followed: the sandbox has to check the result.
    """

    name = "swap_block"
    summary = "another block of the file, which takes the same arguments, in the place of one"
    weight = 8.0  # blocks that an author made to take each other's place are the surest search space

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Calls of the file's own module classes, outside the class that would be constructed."""
        blocks = _blocks(context)
        names = _names(context)
        parts = {name: _parts(names, name) for name in blocks}
        runs = {
            call: [node for node in _nodes(context, call) if _makers(context, node) & parts[_name(call)]]
            for call in context.tree.nodes(cst.Call)
            if isinstance(call, cst.Call) and _name(call) in blocks
        }
        built = Counter(_owner(context, call) for call in runs)
        choices, scales = _choices(context, blocks, runs), _scales(context, blocks, runs)
        for call in runs:
            old, around = _name(call), _owner(context, call)
            # What is built of several blocks is a part of the network rather than a choice.
            if old not in choices or built[old] > 1:
                continue
            for new in choices:
                if new in (old, around) or blocks[new] != blocks[old]:
                    continue
                if scales[old] and scales[new] and not scales[old] & scales[new]:
                    continue
                yield self._change(context, call, new, _nodes(context, call))

    def _change(self, context: EditContext, call: cst.Call, new: str, nodes: list[Node]) -> Change:
        start, end = context.tree.span(call.func)
        attribute = place_of(context, call).name or dotted(call.func)
        layer = attribute
        if nodes:
            parts = nodes[0].layer.split(".")
            layer = ".".join(parts[: parts.index(attribute) + 1])
        edit = self.edit(
            context, start, layer, {"from": dotted(call.func), "to": new, "what": "block"}, shape_safe=False
        )
        return Change(edit, (Replacement(start, end, new),), relevant=tuple(node.id for node in nodes))


def _name(node: cst.CSTNode) -> str:
    return dotted(node.func) if isinstance(node, cst.Call) else ""


def _outermost(context: EditContext, node: cst.CSTNode) -> str:
    """The outermost class or function around a node."""
    found = [
        item for item in context.tree.ancestors(node) if isinstance(item, cst.ClassDef | cst.FunctionDef)
    ]
    return found[-1].name.value if found else ""


def _owner(context: EditContext, node: cst.CSTNode) -> str:
    """The class around a node."""
    owner = context.tree.enclosing(node, cst.ClassDef)
    return owner.name.value if isinstance(owner, cst.ClassDef) else ""


def _blocks(context: EditContext) -> dict[str, tuple[str, ...]]:
    """The file's classes that derive from another and name their arguments; the network itself is none."""
    found: dict[str, tuple[str, ...]] = {}
    for item in context.tree.module.body:
        if not isinstance(item, cst.ClassDef) or not item.bases or item.name.value == context.graph.name:
            continue
        init = init_of(item)
        if init is None or len(init.params.params) < 2 or init.params.kwonly_params:
            continue
        found[item.name.value] = tuple(part.name.value for part in init.params.params)
    return found


def _choices(context: EditContext, blocks: _Blocks, runs: _Runs) -> list[str]:
    """The blocks that may stand for one another: not the output's, and none where none has weights."""
    weighted, ends = _weighted(context), _ends(context, runs)
    kinds = {parameters for name, parameters in blocks.items() if name in weighted}
    return [name for name, parameters in blocks.items() if parameters in kinds and name not in ends]


def _weighted(context: EditContext) -> set[str]:
    """The file's classes and functions that hold layers with weights, or name others that do."""
    layers = (*context.layers, *context.unused_layers)
    found = {_outermost(context, layer.call) for layer in layers if layer.kind.role in _WEIGHTED}
    names = _names(context)
    while more := {around for around, named in names.items() if named & found} - found:
        found |= more
    return found


def _names(context: EditContext) -> dict[str, set[str]]:
    """The names that stand in each of the file's classes and functions."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in context.tree.nodes(cst.Name):
        if isinstance(node, cst.Name):
            found[_outermost(context, node)].add(node.value)
    return found


def _parts(names: Mapping[str, set[str]], block: str) -> set[str]:
    """A block and the file's classes and functions that it is made of."""
    found = {block}
    while more := {name for part in found for name in names[part] if name in names} - found:
        found |= more
    return found


def _ends(context: EditContext, runs: _Runs) -> set[str]:
    """The classes of the file that make the network's output."""
    last = [node for node in context.graph if makes_output(context, node)]
    ids = {node.id for node in last}
    found = {_name(call) for call, nodes in runs.items() if any(node.id in ids for node in nodes)}
    return found.union(*(_makers(context, node) for node in last))


def _makers(context: EditContext, node: Node) -> set[str]:
    """The classes and functions of the file in which a node's layer is constructed and run."""
    calls = [call for offset in context.offsets(node) for call in context.tree.calls.get(offset, [])]
    return {_outermost(context, call) for call in calls}


def _scales(context: EditContext, blocks: _Blocks, runs: _Runs) -> dict[str, set[int]]:
    """By how much each block was seen to divide height and width; nothing where a stride is its argument."""
    found: dict[str, set[int]] = {name: set() for name in blocks}
    for call, nodes in runs.items():
        if any("stride" in parameter for parameter in blocks[_name(call)]):
            continue
        attribute = place_of(context, call).name
        built: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            built[f".{node.layer}.".partition(f".{attribute}.")[0]].append(node)
        for one in built.values():
            found[_name(call)] |= _scale(context, one)
    return found


def _scale(context: EditContext, nodes: list[Node]) -> set[int]:
    """By how much a block divides the height and width of the feature maps that it reads, rounded."""
    ids = {node.id for node in nodes}
    read = {item for node in nodes for item in node.inputs} - ids
    given = [node.id for node in nodes if not ids.issuperset(context.users.get(node.id, []))]
    shapes = [node.output_shape for node in context.graph]
    pairs = [(shapes[one], shapes[other]) for one in read for other in given]
    return {round(one[1] / other[1]) for one, other in pairs if len(one) == len(other) == 3}


def _nodes(context: EditContext, call: cst.Call) -> list[Node]:
    """The nodes under the attribute that holds a block, wherever its owner is used."""
    place = place_of(context, call)
    owner = context.tree.enclosing(call, cst.ClassDef)
    if place.form != "attribute" or owner is None:
        return []
    return nodes_of(context, place.name, owner)
