"""Another of the file's own blocks in the place of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._places import place_of
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits.operations._helpers import init_of, nodes_of
from nas_assistant.graphs import Node


class SwapBlock(BaseEditOperation):
    """Constructs another class of the file where one is constructed that takes the same arguments.

    ``self.left = Conv3x3(channels)`` becomes ``self.left = MaxPool3x3(channels)``. What the blocks compute is
    not followed: the sandbox has to check the result.
    """

    name = "swap_block"
    summary = "another block of the file, which takes the same arguments, in the place of one"
    weight = 8.0  # blocks that an author made to take each other's place are the surest search space

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Calls of the file's own module classes, outside the class that would be constructed."""
        blocks = _blocks(context)
        built = Counter(
            _owner(context, call) for call in context.tree.nodes(cst.Call) if _name(call) in blocks
        )
        for call in context.tree.nodes(cst.Call):
            old = _name(call)
            # What is built of several blocks is a part of the network rather than a choice.
            if not isinstance(call, cst.Call) or old not in blocks or built[old] > 1:
                continue
            around = _owner(context, call)
            nodes = _nodes(context, call)
            for new, parameters in blocks.items():
                if new in (old, around) or parameters != blocks[old]:
                    continue
                yield self._change(context, call, new, nodes)

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


def _nodes(context: EditContext, call: cst.Call) -> list[Node]:
    """The nodes under the attribute that holds a block, wherever its owner is used."""
    place = place_of(context, call)
    owner = context.tree.enclosing(call, cst.ClassDef)
    if place.form != "attribute" or owner is None:
        return []
    return nodes_of(context, place.name, owner)
