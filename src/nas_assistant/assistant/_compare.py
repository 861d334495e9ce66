"""What changed between two models, as graphs."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.assistant._models import load_predictor
from nas_assistant.assistant._notes import scope_notes
from nas_assistant.graphs import ComputationalGraph, Node, WeightedNode
from nas_assistant.sources import Inspection, Sandbox, inspect_model

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction

_COMPARED = ("op", "kernel", "stride", "padding", "dilation", "groups", "output_shape")


@dataclass(frozen=True, slots=True)
class NodeChange:
    """One operation that is in one model and not, or not like that, in the other.

    Attributes:
        kind: ``added``, ``removed`` or ``changed``.
        layer: Dotted name of its layer, or empty.
        op: Name of the operation.
        detail: What it is, or what of it changed.
        line: Line of the second file (of the first for what was removed), or None.
    """

    kind: str
    layer: str
    op: str
    detail: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models beside each other.

    Attributes:
        before: The first.
        after: The second.
        changes: What was removed, changed and added, in this order.
        predictions: Predicted accuracies of both.
        gain_interval: Low and high end of the difference.
    """

    before: Inspection
    after: Inspection
    changes: tuple[NodeChange, ...]
    predictions: tuple[Prediction, Prediction]
    gain_interval: tuple[float, float]

    @property
    def same(self) -> bool:
        """Whether both are the same network."""
        return self.before.graph.hash == self.after.graph.hash

    @property
    def notes(self) -> tuple[str, ...]:
        """What to announce of either, each once."""
        both = (self.before, self.after)
        told = [note for one in both for note in (*one.notes, *scope_notes(one.graph))]
        return tuple(dict.fromkeys(told))

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON data."""
        first, second = self.before.graph, self.after.graph
        return {
            "same": self.same,
            "changes": [
                {"kind": c.kind, "layer": c.layer, "op": c.op, "detail": c.detail, "line": c.line}
                for c in self.changes
            ],
            "nodes": [len(first), len(second)],
            "params": [first.parameters, second.parameters],
            "flops": [first.flops, second.flops],
            "accuracy": [prediction.accuracy for prediction in self.predictions],
            "gain": self.predictions[1].accuracy - self.predictions[0].accuracy,
            "gain_low": self.gain_interval[0],
            "gain_high": self.gain_interval[1],
        }


def compare_models(
    first: str | Path,
    second: str | Path,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    checkpoint: str | Path | None = None,
) -> Comparison:
    """Build two models in the sandbox and compare their graphs and predictions.

    Raises:
        UserError: A file, an option or the checkpoint is at fault.
    """
    with Sandbox("torch") as sandbox:
        before, after = (
            inspect_model(path, entry=entry, data=data, input_shape=input_shape, sandbox=sandbox)
            for path in (first, second)
        )
    importlib.import_module("nas_assistant.predictors")
    predictor = load_predictor(checkpoint)
    one, two = predictor.predict(before.graph), predictor.predict(after.graph)
    changes = graph_changes(before.graph, after.graph)
    return Comparison(before, after, changes, (one, two), predictor.gain_interval(one, two))


def graph_changes(before: ComputationalGraph, after: ComputationalGraph) -> tuple[NodeChange, ...]:
    """Operations removed, changed and added.

    Operations are matched by the name of their layer and their kind; what is left over on both sides with
    the same signature was only renamed, and is no change.
    """
    first, second = _by_key(before), _by_key(after)
    changed = [
        NodeChange("changed", new.layer, new.op.value, _difference(old, new), _line(new))
        for key, old in first.items()
        if (new := second.get(key)) is not None and old.signature() != new.signature()
    ]
    gone = [node for key, node in first.items() if key not in second]
    come = [node for key, node in second.items() if key not in first]
    waiting: dict[Hashable, list[Node]] = defaultdict(list)
    for node in come:
        waiting[node.signature()].append(node)
    removed = []
    for node in gone:
        if waiting[node.signature()]:
            come.remove(waiting[node.signature()].pop(0))
        else:
            removed.append(node)
    return (
        *(NodeChange("removed", n.layer, n.op.value, _describe(n), _line(n)) for n in removed),
        *changed,
        *(NodeChange("added", n.layer, n.op.value, _describe(n), _line(n)) for n in come),
    )


def _by_key(graph: ComputationalGraph) -> dict[Hashable, Node]:
    counts: dict[Hashable, int] = defaultdict(int)
    found: dict[Hashable, Node] = {}
    for node in graph:
        key = (node.layer, node.op)
        found[*key, counts[key]] = node
        counts[key] += 1
    return found


def _difference(old: Node, new: Node) -> str:
    parts = [
        f"{name.replace('_', ' ')} {_text(getattr(old, name))} -> {_text(getattr(new, name))}"
        for name in _COMPARED
        if getattr(old, name) != getattr(new, name)
    ]
    if isinstance(old, WeightedNode) and isinstance(new, WeightedNode):
        if old.weight_shape != new.weight_shape:
            parts.insert(0, f"weight {_text(old.weight_shape)} -> {_text(new.weight_shape)}")
        if old.bias != new.bias:
            parts.append("bias added" if new.bias else "bias removed")
    return ", ".join(parts)


def _describe(node: Node) -> str:
    parts = [f"output {_text(node.output_shape)}"]
    if isinstance(node, WeightedNode):
        parts.insert(0, f"weight {_text(node.weight_shape)}")
    if node.stride not in (None, (1, 1)):
        parts.append(f"stride {_text(node.stride)}")
    return ", ".join(parts)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value)) or "scalar"
    return "none" if value is None else str(value)


def _line(node: Node) -> int | None:
    place = node.created or node.call
    return place.line if place else None
