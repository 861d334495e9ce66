"""Which literals of the source set the channels of a layer, and which have to follow."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from nas_assistant.edits._layouts import Layout, Layouts
from nas_assistant.edits._source import integer
from nas_assistant.edits._values import Combined, Resolver, Value, evaluate, leaves
from nas_assistant.graphs import Node, Operation, WeightedNode

if TYPE_CHECKING:
    from nas_assistant.edits._context import EditContext, LayerCall


@dataclass(frozen=True, slots=True)
class _Slot:
    """A number of channels that a layer call writes.

    Attributes:
        value: What it is written as.
        present: What that comes to.
        side: ``in`` or ``out``.
        nodes: What runs with it; none where the layer did not run.
        owner: The class that the call stands in.
    """

    value: Value
    present: int
    side: str
    nodes: list[Node]
    owner: cst.CSTNode | None


class Channels:
    """Channel groups of a context, with the literals that set them.

    Args:
        context: Source and graph.
    """

    def __init__(self, context: EditContext) -> None:
        self._context = context
        self.layouts = Layouts(context.graph)
        self._resolver = Resolver(context.tree)
        self._slots: list[_Slot] = []
        self._divisors: list[tuple[Node, int]] = []
        for layer in (*context.layers, *context.unused_layers):
            self._read(layer)
        self._uses = Counter(leaf.node for slot in self._slots for leaf in leaves(slot.value))
        self._freeze_what_is_not_written()

    def _read(self, layer: LayerCall) -> None:
        for name, side in self._names(layer):
            argument = layer.arguments.get(name)
            value = None if argument is None else self._resolver.resolve(argument.value)
            nodes = self._nodes(layer, name)
            layouts = [self._layout(node, side) for node in nodes]
            if value is None:
                optional = argument is None and name in ("groups", "num_parameters")
                if not optional:
                    self.layouts.freeze(layouts)
                continue
            for other in layouts[1:]:
                if side == "out":
                    self.layouts.tie(layouts[0], other)
            if name != "groups" or any(node.op is Operation.DEPTHWISE_CONV for node in nodes):
                owner = self._context.tree.enclosing(layer.call, cst.ClassDef)
                self._slots.append(_Slot(value, evaluate(value, {}), side, nodes, owner))
        for node in layer.main:
            if node.op is Operation.CONV and node.groups and node.groups > 1:
                self._divisors.append((node, node.groups))
        groups = layer.arguments.get("num_groups") or layer.arguments.get("groups")
        if groups is not None and layer.kind.role == "norm":
            count = integer(groups.value)
            self._divisors.extend((node, count or 1) for node in layer.main)
            if count is None:
                self.layouts.freeze(self.layouts.of(node.id) for node in layer.main)

    def _nodes(self, layer: LayerCall, name: str) -> list[Node]:
        if layer.kind.role == "separable":
            return [node for node in layer.main if node.op is not Operation.DEPTHWISE_CONV]
        return list(layer.main)

    def _names(self, layer: LayerCall) -> list[tuple[str, str]]:
        kind = layer.kind
        names = [(name, "in") for name in kind.follows]
        if kind.produces:
            names.insert(0, (kind.produces, "out"))
        if kind.role == "conv" and self._context.torch:
            names.append(("groups", "in"))
        return names

    def _layout(self, node: Node, side: str) -> Layout | None:
        return self.layouts.of(node.id) if side == "out" else self.layouts.inputs_of(node)

    def _freeze_what_is_not_written(self) -> None:
        for node in self._context.graph:
            if node.op is Operation.INPUT or (isinstance(node, WeightedNode) and self._unwritten(node)):
                self.layouts.freeze((self.layouts.of(node.id), self.layouts.inputs_of(node)))
            if node.op is Operation.OUTPUT:
                self.layouts.freeze((self.layouts.inputs_of(node),))

    def _unwritten(self, node: Node) -> bool:
        if node.id in self._context.made_by:
            return False
        return self._context.torch or node.op is not Operation.BATCH_NORM

    def group(self, node: Node) -> int | None:
        """The group that a layer produces, or None where it may not change."""
        layout = self.layouts.of(node.id)
        if layout is None or len(layout) != 1 or layout[0][1] != 1 or self.layouts.frozen(layout[0][0]):
            return None
        return layout[0][0]

    def groups_at(self, node: Node) -> frozenset[int]:
        """The groups that make up a node's output."""
        return frozenset(group for group, _ in self.layouts.of(node.id) or ())

    def change(self, group: int, width: int) -> dict[cst.Integer, int] | None:
        """Literals to change so that a group has another width, or None where that is not possible.

        Every slot of the file is checked: those of the group must come to the new width, all others must
        keep their number. A layer that did not run, such as an auxiliary head of the training, follows the
        layers of its class that read as many channels, where these agree.
        """
        layouts, before = self.layouts, self.layouts.size[group]
        widths = {group: width}
        if width < 1 or width == before or not self._divisible(widths):
            return None
        needs = [{self._wanted(slot, node, widths) for node in slot.nodes} for slot in self._slots]
        if any(len(need) > 1 for need in needs):
            return None
        read: dict[tuple[cst.CSTNode | None, int], set[int]] = defaultdict(set)
        for slot, need in zip(self._slots, needs, strict=True):
            if slot.side == "in":
                read[slot.owner, slot.present] |= need
        wanted: list[tuple[Value, int | None]] = []
        for slot, need in zip(self._slots, needs, strict=True):
            if not need and slot.side == "in":
                need = read[slot.owner, slot.present]
            wanted.append((slot.value, next(iter(need)) if len(need) == 1 else None))
        changes: dict[cst.Integer, int] = {}
        for value, target in sorted(wanted, key=lambda item: isinstance(item[0], Combined)):
            if target is not None and evaluate(value, changes) != target:
                found = self._solve(value, target, before, width, changes)
                if found is None:
                    return None
                changes.update(found)
        if not changes or any(self._resolver.escapes(node) for node in changes):
            return None
        kept = all(target is None or evaluate(value, changes) == target for value, target in wanted)
        return changes if kept and layouts.size[group] == before else None

    def _wanted(self, slot: _Slot, node: Node, widths: dict[int, int]) -> int:
        layout = self._layout(node, slot.side)
        if layout is None or self.layouts.width(layout, {}) != slot.present:
            return slot.present
        return self.layouts.width(layout, widths)

    def _divisible(self, widths: dict[int, int]) -> bool:
        for node, count in self._divisors:
            for layout in (self.layouts.of(node.id), self.layouts.inputs_of(node)):
                if layout is not None and self.layouts.width(layout, widths) % count:
                    return False
        return True

    def _solve(
        self, value: Value, target: int, before: int, width: int, changes: dict[cst.Integer, int]
    ) -> dict[cst.Integer, int] | None:
        """One literal to change so that a value comes to ``target``: the width, or the least used."""
        present = evaluate(value, changes)
        free = [leaf for leaf in leaves(value) if leaf.node not in changes]
        for leaf in sorted(free, key=lambda leaf: (leaf.value != before, self._uses[leaf.node])):
            scaled = leaf.value * target // present if present else 0
            for new in (width if leaf.value == before else scaled, scaled, leaf.value + target - present):
                trial = {**changes, leaf.node: new}
                if new > 0 and evaluate(value, trial) == target:
                    return {leaf.node: new}
        return None
