"""Dropout behind a layer."""

from __future__ import annotations

from collections.abc import Iterator, Set

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import next_item, put_behind
from nas_assistant.edits._tables import in_table
from nas_assistant.edits.operations._arguments import set_argument
from nas_assistant.edits.operations._around import PASSING, PRODUCTS, before, behind, only_user, runs_again
from nas_assistant.edits.operations._ends import is_in_gate, is_output, makes_output
from nas_assistant.edits.operations._idle import written_rate
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation

_RATES = {0: 0.3, 2: 0.1}
_POOLS = frozenset({Operation.AVG_POOL, Operation.GLOBAL_AVG_POOL, Operation.MAX_POOL, Operation.MEAN})
_TO_DROPOUT = ACTIVATIONS | _POOLS | {Operation.IDENTITY, Operation.RESHAPE, Operation.TRANSPOSE}
_TO_PRODUCT = NORMALISATIONS | PASSING | {Operation.MUL, Operation.SPLIT}


class AddDropout(BaseEditOperation):
    """Adds dropout behind an activation, a dense layer or a pool."""

    name = "add_dropout"
    summary = "dropout behind a layer"
    grows = 1
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Activations, hidden dense layers and pools, not in gates, with no dropout behind or one of 0.

        Not those that run more than once, so that one edit puts one dropout in; nor projections for an
        attention.
        """
        for layer in context.layers:
            if layer.kind.role not in ("activation", "dense", "pool") or is_output(context, layer):
                continue
            if in_table(context, layer.call):
                continue
            ranks = {len(node.output_shape) - 1 for node in layer.last}
            rank = ranks.pop() if len(ranks) == 1 else None
            if rank not in _RATES or any(makes_output(context, node) for node in layer.last):
                continue
            if is_in_gate(context, layer) or runs_again(layer) or _is_projection(context, layer):
                continue
            if any(_leads_to(context, node, _TO_DROPOUT, {Operation.DROPOUT}) for node in layer.last):
                continue
            followers = [only_user(context, node) for node in layer.last]
            if layer.kind.role == "dense" and any(item and item.op in ACTIVATIONS for item in followers):
                continue
            if any(node.op in (Operation.SIGMOID, Operation.SOFTMAX) for node in layer.last):
                continue
            off = _idle_behind(context, layer)
            if off is not None:
                yield from self._switched_on(context, layer, off, _RATES[rank])
                continue
            spatial = {True: "Dropout2d", False: "SpatialDropout2D"}[context.torch]
            maps = rank == 2 and not any(_is_of_vectors(context, node) for node in layer.last)
            name, imports = context.imports.name(spatial if maps else "Dropout")
            placed = put_behind(context, layer, [f"{name}({_RATES[rank]})"])
            if placed is None:
                continue
            start = context.tree.span(layer.call)[0]
            edit = self.edit(context, start, layer.layer, {"rate": _RATES[rank], "what": "behind it"})
            yield Change(
                edit,
                (*placed, *imports),
                introduces=frozenset({Operation.DROPOUT.value}),
                relevant=tuple(node.id for node in layer.nodes),
            )

    def _switched_on(
        self, context: EditContext, layer: LayerCall, off: LayerCall, rate: float
    ) -> Iterator[Change]:
        """The rate of a dropout layer that is there already, where it is a 0 that is written there."""
        written = set_argument(context, off, off.kind.parameters[0], str(rate))
        if written_rate(off) == 0 and written is not None:
            edit = self.edit(context, written.start, layer.layer, {"rate": rate, "what": "behind it"})
            yield Change(
                edit,
                (written,),
                introduces=frozenset({Operation.DROPOUT.value}),
                relevant=tuple(node.id for node in layer.nodes),
            )


def _leads_to(context: EditContext, node: Node, passing: Set[Operation], ends: Set[Operation]) -> bool:
    """Whether a node is read, through some operations, by one of others."""
    return any(found.op in ends for found in behind(context, node, passing))


def _is_projection(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer is dense, for a product of matrices: the query, key or value of an attention."""
    dense = layer.kind.role == "dense"
    return dense and any(_leads_to(context, node, _TO_PRODUCT, PRODUCTS) for node in layer.last)


def _is_of_vectors(context: EditContext, node: Node) -> bool:
    """Whether what a node gives comes from a dense layer, whose channels are the last axis."""
    passing = ACTIVATIONS | NORMALISATIONS | {Operation.DROPOUT, Operation.IDENTITY}
    nearest = [node] if node.op not in passing else before(context, node, passing)
    return any(found.op is Operation.DENSE for found in nearest)


def _idle_behind(context: EditContext, layer: LayerCall) -> LayerCall | None:
    """The dropout layer that stands next behind a layer in its container and does nothing."""
    item = next_item(context, layer.call)
    unused = (made for made in context.unused_layers if made.kind.role == "dropout")
    return next((made for made in unused if made.call is item), None)
