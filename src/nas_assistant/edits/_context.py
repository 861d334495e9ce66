"""A source and its graph, matched: which call of the file makes which nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING

import libcst as cst

from nas_assistant.edits._imports import Imports
from nas_assistant.edits._kinds import KINDS, Kind
from nas_assistant.edits._source import SourceTree, dotted
from nas_assistant.graphs import ComputationalGraph, Node, Operation, WeightedNode

if TYPE_CHECKING:
    from nas_assistant.edits._channels import Channels

_DYNAMIC = {Operation.BATCH_NORM: "BatchNorm2d"}


@dataclass(frozen=True)
class LayerCall:
    """A call that constructs a layer.

    Attributes:
        call: The call.
        kind: The class it constructs.
        nodes: The nodes that its layers run, in the order of the graph; several when the call is in a loop
            or in a helper, or when a Keras layer has an activation of its own.
        arguments: Its arguments by name.
        extended: Whether it is of a class of the file that extends ``kind``; its forward pass may take some
            of the arguments for granted.
    """

    call: cst.Call
    kind: Kind
    nodes: tuple[Node, ...]
    arguments: Mapping[str, cst.Arg]
    extended: bool = False

    @property
    def main(self) -> tuple[Node, ...]:
        """The nodes that do the layer's own work, one for each time it is used."""
        weighted = tuple(node for node in self.nodes if isinstance(node, WeightedNode))
        return weighted or self.nodes

    @property
    def layer(self) -> str:
        """Dotted name of its first layer."""
        return self.nodes[0].layer if self.nodes else ""

    @cached_property
    def last(self) -> tuple[Node, ...]:
        """The last node of each layer, its own activation included."""
        by_layer: dict[str, Node] = {}
        for node in self.nodes:
            by_layer[node.layer] = node
        return tuple(by_layer.values())


class EditContext:
    """What operations look at to find their sites.

    Args:
        source: The file.
        graph: The graph of that very file.
        framework: ``torch`` or ``keras``.

    Raises:
        EditError: The source does not parse.
    """

    def __init__(self, source: str, graph: ComputationalGraph, framework: str) -> None:
        self.tree = SourceTree(source)
        self.graph = graph
        self.framework = "torch" if framework == "torch" else "keras"
        self.imports = Imports(self.tree, self.framework)
        self.kinds = KINDS[self.framework]
        self.run_in_order: dict[str, bool] = {}  # lists of layers, by name, as far as was asked

    @property
    def torch(self) -> bool:
        """Whether the source is PyTorch."""
        return self.framework == "torch"

    @cached_property
    def file(self) -> str | None:
        """The path under which the graph's nodes know this source."""
        votes: Counter[str] = Counter()
        for node in self.graph:
            for place in (node.created, node.call):
                if place is not None and self._calls_at(place.line, place.column):
                    votes[place.file] += 1
        return votes.most_common(1)[0][0] if votes else None

    def _calls_at(self, line: int, column: int | None) -> list[cst.Call]:
        if column is None:
            on_line = [calls for start, calls in self.tree.calls.items() if self.tree.place(start)[0] == line]
            return on_line[0] if len(on_line) == 1 else []
        offset = self.tree.offset(line, column)
        return [] if offset is None else self.tree.calls.get(offset, [])

    def _kind(self, call: cst.Call) -> Kind | None:
        name, seen = dotted(call.func), set[str]()
        while name in self.imports.defined:
            # What is constructed like the class that it extends can be edited like it, mostly.
            own = self._plain_subclasses.get(name)
            if own is None or name in seen:
                return None
            seen.add(name)
            name = own
        if not name or name.startswith("self."):
            return None
        return self.kinds.get(self.imports.full(name).rpartition(".")[2])

    @cached_property
    def _plain_subclasses(self) -> dict[str, str]:
        """What the classes of the file extend, as far as they have no constructor of their own."""
        return {
            node.name.value: dotted(node.bases[0].value)
            for node in self.tree.nodes(cst.ClassDef)
            if isinstance(node, cst.ClassDef) and node.bases and not any(map(_constructs, node.body.body))
        }

    def _extended(self, call: cst.Call) -> bool:
        return dotted(call.func) in self._plain_subclasses

    def _match(self, calls: list[cst.Call], op: Operation) -> tuple[cst.Call, Kind] | None:
        for call in reversed(calls):
            kind = self._kind(call)
            if kind is not None:
                return call, kind
        if (
            self.torch
            and op in _DYNAMIC
            and calls
            and len(calls[-1].args) == 1
            and not calls[-1].args[0].star
        ):
            return calls[-1], self.kinds[_DYNAMIC[op]]
        return None

    def constructor(self, node: Node) -> cst.Call | None:
        """The call of this file that constructs a node's layer."""
        if node.created is None or node.created.file != self.file:
            return None
        calls = self._calls_at(node.created.line, node.created.column)
        return calls[-1] if calls else None

    @cached_property
    def layers(self) -> tuple[LayerCall, ...]:
        """The layer calls that the model uses, in the order of the file."""
        nodes: dict[cst.Call, list[Node]] = defaultdict(list)
        kinds: dict[cst.Call, Kind] = {}
        for node in self.graph:
            if node.created is None or node.created.file != self.file:
                continue
            found = self._match(self._calls_at(node.created.line, node.created.column), node.op)
            if found is not None:
                nodes[found[0]].append(node)
                kinds[found[0]] = found[1]
        ordered = sorted(nodes, key=lambda call: self.tree.span(call))
        layers = (
            LayerCall(call, kinds[call], tuple(nodes[call]), bind(call, kinds[call]), self._extended(call))
            for call in ordered
        )
        # One of the file's own classes that does more than its kind is left alone.
        return tuple(layer for layer in layers if not layer.extended or layer.nodes == layer.main)

    @cached_property
    def elsewhere(self) -> tuple[Node, ...]:
        """The nodes whose layers other files create."""
        return tuple(node for node in self.graph if node.created and node.created.file != self.file)

    def builds(self, call: cst.Call) -> bool:
        """Whether a call is of a function or class of this file, or of another file that creates layers."""
        name = dotted(call.func)
        if name.rpartition(".")[2] in self.imports.defined:
            return True
        module = self.imports.full(name).rpartition(".")[0].strip(".").replace(".", "/")
        imported = name.partition(".")[0] in self.imports.names
        return imported and any(f"/{module}/" in f"{path}/" for path in self._other_files)

    @cached_property
    def _other_files(self) -> frozenset[str]:
        """Paths of the other files that create layers, without their endings."""
        places = [node.created for node in self.elsewhere if node.created]
        return frozenset(PurePath(place.file).with_suffix("").as_posix() for place in places)

    @cached_property
    def unused_layers(self) -> tuple[LayerCall, ...]:
        """Calls of layer classes that the model does not run."""
        used = {layer.call for layer in self.layers}
        found = []
        for node in self.tree.nodes(cst.Call):
            assert isinstance(node, cst.Call)
            kind = self._kind(node)
            if kind is not None and node not in used and not self._extended(node):
                found.append(LayerCall(node, kind, (), bind(node, kind)))
        return tuple(found)

    @cached_property
    def made_by(self) -> dict[int, LayerCall]:
        """The layer call of each node that has one."""
        return {node.id: layer for layer in self.layers for node in layer.nodes}

    @cached_property
    def called_at(self) -> dict[int, list[Node]]:
        """Nodes by the offset of the forward call that runs them."""
        found: dict[int, list[Node]] = defaultdict(list)
        for node in self.graph:
            if node.call is None or node.call.column is None or node.call.file != self.file:
                continue
            offset = self.tree.offset(node.call.line, node.call.column)
            if offset is not None:
                found[offset].append(node)
        return dict(found)

    def offsets(self, node: Node) -> list[int]:
        """Where the file constructs a node's layer, and where it runs it."""
        places = [place for place in (node.created, node.call) if place and place.file == self.file]
        offsets = [self.tree.offset(place.line, place.column or 0) for place in places]
        return [offset for offset in offsets if offset is not None]

    @cached_property
    def constants(self) -> frozenset[str]:
        """Names that the file gives a value in one place, at its top level."""
        lines = (line for line in self.tree.module.body if isinstance(line, cst.SimpleStatementLine))
        parts = (part for line in lines for part in line.body if isinstance(part, cst.Assign))
        top = {dotted(target.target) for part in parts for target in part.targets}
        bound = Counter(
            node.value
            for node in self.tree.nodes(cst.Name)
            if isinstance(node, cst.Name)
            and isinstance(self.tree.parents[node], cst.AssignTarget | cst.Param | cst.For | cst.CompFor)
        )
        return frozenset(name for name in top if bound[name] == 1)

    @cached_property
    def users(self) -> dict[int, list[int]]:
        """Which nodes read each node."""
        found: dict[int, list[int]] = defaultdict(list)
        for source, target in self.graph.edges:
            found[source].append(target)
        return dict(found)

    @cached_property
    def channels(self) -> Channels:
        """Which layers must change their channels together."""
        from nas_assistant.edits._channels import Channels

        return Channels(self)

    def attributes(self, name: str) -> Iterator[cst.Attribute]:
        """Every ``.name`` of the file, of any object."""
        for node in self.tree.nodes(cst.Attribute):
            if isinstance(node, cst.Attribute) and node.attr.value == name:
                yield node

    def attribute_uses(self, name: str) -> Iterator[cst.Attribute]:
        """Every ``self.name`` of the file."""
        return (node for node in self.attributes(name) if dotted(node.value) == "self")


def bind(call: cst.Call, kind: Kind) -> dict[str, cst.Arg]:
    """Arguments of a call by name; those after a starred one are left out."""
    bound: dict[str, cst.Arg] = {}
    for position, argument in enumerate(call.args):
        if argument.star == "*":
            break
        if argument.keyword is not None:
            bound[argument.keyword.value] = argument
        elif not argument.star and position < len(kind.parameters):
            bound[kind.parameters[position]] = argument
    return bound


def _constructs(item: cst.CSTNode) -> bool:
    return isinstance(item, cst.FunctionDef) and item.name.value in ("__init__", "__new__")
