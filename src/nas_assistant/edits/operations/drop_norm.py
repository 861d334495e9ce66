"""A normalisation less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits.operations._arguments import bias_back, left_out_bias
from nas_assistant.edits.operations._around import UP_TO_NORM, before, behind
from nas_assistant.edits.operations._drop import drop_sites
from nas_assistant.graphs import NORMALISATIONS, Node, Operation, WeightedNode

_USUAL = 4
"""One normalisation among so many layers with weights."""


class DropNorm(BaseEditOperation):
    """Takes a normalisation layer out; a layer that left its bias to the normalisation gets it back."""

    name = "drop_norm"
    summary = "take a normalisation layer out"
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Normalisation layers beside another one, or all where few layers are normalised."""
        usual = _is_usual(context)
        yield from drop_sites(
            self,
            context,
            lambda layer: layer.kind.role == "norm" and (not usual or _is_second(context, layer)),
            lambda layer: _biases(context, layer),
        )


def _is_usual(context: EditContext) -> bool:
    """Whether a network is built on normalisation: without it, its layers would train badly."""
    weighted = [node.op in NORMALISATIONS for node in context.graph if isinstance(node, WeightedNode)]
    return _USUAL * sum(weighted) >= len(weighted)


def _is_second(context: EditContext, layer: LayerCall) -> bool:
    """Whether another normalisation comes before the next weights on one side, wherever the layer runs."""
    return all(
        _meets_norm(context, node, lambda found: found.inputs)
        or _meets_norm(context, node, lambda found: context.users.get(found.id, ()))
        for node in layer.nodes
    )


def _meets_norm(context: EditContext, node: Node, ways: Callable[[Node], Iterable[int]]) -> bool:
    """Whether every way leads to a normalisation before it leads to weights or ends."""
    waiting, seen = [node], set[int]()
    while waiting:
        beyond = [context.graph.nodes[number] for number in ways(waiting.pop()) if number not in seen]
        if not beyond and not seen:
            return False
        for found in beyond:
            seen.add(found.id)
            if found.op in NORMALISATIONS:
                continue
            if isinstance(found, WeightedNode) or found.op in (Operation.INPUT, Operation.OUTPUT):
                return False
            waiting.append(found)
    return True


def _biases(context: EditContext, layer: LayerCall) -> list[Replacement] | None:
    """Give the layers that a normalisation stands behind their bias back; None where others read them too."""
    ids = {node.id for node in layer.nodes}
    read = [found.id for node in layer.nodes for found in before(context, node, UP_TO_NORM)]
    found = []
    for maker in {id(made): made for made in map(context.made_by.get, read) if made is not None}.values():
        bias = left_out_bias(context, maker)
        if bias is None:
            continue
        readers = {item.id for node in maker.last for item in behind(context, node, UP_TO_NORM)}
        gone = bias_back(context, bias)
        if gone is None or not readers <= ids:
            return None
        found.append(gone)
    return found
