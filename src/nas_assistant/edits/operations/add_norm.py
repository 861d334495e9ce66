"""A batch normalisation behind a layer."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import NORM_WEIGHTS, Growth, layer_behind, total
from nas_assistant.edits._places import put_behind
from nas_assistant.edits.operations._around import dimensions, has_one_pixel, norm_behind, runs_again
from nas_assistant.edits.operations._ends import gives_scores
from nas_assistant.edits.operations._fresh import norm
from nas_assistant.edits.operations._text import reads
from nas_assistant.graphs import ComputationalGraph, Node, Operation

_NAMES = {Operation.BATCH_NORM: "batch normalisation", Operation.GROUP_NORM: "group normalisation"}
_ROLES = ("conv", "dense", "depthwise", "separable")


class AddNorm(BaseEditOperation):
    """Adds batch normalisation behind a convolution or dense layer that has none."""

    name = "add_norm"
    summary = "batch normalisation behind a layer"
    grows = 1
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Convolutions and dense layers that no normalisation follows; not the output, nor a gate."""
        for layer in context.layers:
            if layer.kind.role not in _ROLES or gives_scores(context, layer):
                continue
            if runs_again(layer) or norm_behind(context, layer) != "" or not _has_statistics(context, layer):
                continue
            written = norm(context, layer)
            if written is None:
                continue
            op, (text, imports) = written
            placed = put_behind(context, layer, [text])
            if placed is None:
                continue
            start = context.tree.span(layer.call)[0]
            edit = self.edit(context, start, layer.layer, {"what": f"{_NAMES[op]} behind it"})
            yield Change(
                edit,
                (*placed, *imports),
                introduces=frozenset({op.value}),
                reads=reads(context, layer),
                relevant=tuple(node.id for node in layer.main),
            )

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The normalisation's."""
        return total(layer_behind(graph.nodes[node], 0, NORM_WEIGHTS) for node in change.relevant)


def _has_statistics(context: EditContext, layer: LayerCall) -> bool:
    """Whether a batch of one sample, such as the last of an epoch, can be normalised behind a layer.

    PyTorch refuses to where a channel has a single value in it. Networks that normalise vectors anyway know;
    a gate is not normalised in any framework.
    """
    if not has_one_pixel(layer):
        return True
    vectors = dimensions(layer) == 0
    return vectors and (not context.torch or any(map(_normalises_vectors, context.graph)))


def _normalises_vectors(node: Node) -> bool:
    return node.op is Operation.BATCH_NORM and len(node.output_shape) == 1
