"""More layers behind a layer."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._growth import NORM_WEIGHTS, Growth, layer_behind, total
from nas_assistant.edits._places import put_behind
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits.operations._arguments import left_out_bias
from nas_assistant.edits.operations._around import (
    dimensions,
    is_depthwise,
    is_normalised,
    is_thin,
    norm_behind,
    norms_behind,
    reads_product,
    runs_again,
)
from nas_assistant.edits.operations._ends import gives_scores, is_linear_at_times, is_shortcut
from nas_assistant.edits.operations._fresh import activation, norm
from nas_assistant.edits.operations._text import biasless, channels, copied, quoted, reads
from nas_assistant.graphs import ACTIVATIONS, ComputationalGraph, Operation

_WEIGHT_OPTIONS = ("kernel_initializer", "kernel_regularizer")
_BLOCK_WEIGHTS = {"conv-bn": (9, 0), "separable": (1, 9), "dense": (1, 1)}
"""Parameters of a block of width C: so many times C squared, and so many times C."""
_BLOCKS = {2: ("conv-bn", "separable"), 0: ("dense",)}


class InsertBlock(BaseEditOperation):
    """Adds an activation and a further convolution or dense layer of the same width behind a layer."""

    name = "insert_block"
    summary = "an activation and a further layer of the same width behind a layer"
    grows = 1
    replaces = False

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Convolutions of feature maps, but for depthwise ones, and hidden dense layers.

        Not those that give the scores of the output or of a gate, nor what reads a product of matrices: the
        projection behind an attention is linear, and so is what a helper leaves without its activation.
        """
        for layer in context.layers:
            rank = dimensions(layer) if layer.main else None
            if layer.kind.role not in ("conv", "dense") or rank not in _BLOCKS:
                continue
            if gives_scores(context, layer) or is_linear_at_times(context, layer):
                continue
            if is_shortcut(context, layer):
                continue
            if layer.kind.role == "dense" and reads_product(context, layer):
                continue
            if rank == 2 and (is_thin(layer) or is_depthwise(layer)):
                continue
            if rank == 2 and (runs_again(layer) or norm_behind(context, layer) is None):
                continue
            for block in _BLOCKS[rank]:
                made = _block(context, layer, block)
                if made is None:
                    continue
                texts, imports, ops = made
                placed = put_behind(context, layer, texts)
                if placed is None:
                    continue
                start = context.tree.span(layer.call)[0]
                edit = self.edit(context, start, layer.layer, {"block": block, "what": "behind it"})
                yield Change(
                    edit,
                    (*placed, *imports),
                    introduces=frozenset(op.value for op in ops),
                    reads=reads(context, layer),
                    relevant=tuple(node.id for node in layer.main),
                    needs=norms_behind(context, layer),
                )

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """The block's."""
        square, line = _BLOCK_WEIGHTS[str(change.edit.arguments["block"])]
        return total(layer_behind(graph.nodes[node], square, line + NORM_WEIGHTS) for node in change.relevant)


def _block(
    context: EditContext, layer: LayerCall, block: str
) -> tuple[list[str], tuple[Replacement, ...], tuple[Operation, ...]] | None:
    """The texts of a block, the imports it needs, and its operations."""
    width = channels(context, layer) if context.torch else _units(context, layer)
    normal = norm(context, layer)
    if width is None or (normal is None and block != "dense"):
        return None
    op, (active, imports) = activation(context, layer)
    activated = any(node.op in ACTIVATIONS for node in layer.nodes)
    first = [] if activated else [active]
    ops = [] if activated else [op]
    if block == "dense":
        name, more = context.imports.name("Linear" if context.torch else "Dense")
        kept = _weight_options(context, layer)
        own = layer.arguments.get("activation")
        option = f", activation={context.tree.code(own.value)}" if own is not None and activated else ""
        # A bias that is left to a normalisation behind the layer is left out of both, and both have one.
        normed = left_out_bias(context, layer) is not None and norm_behind(context, layer) == "layer"
        if normed and normal is None:
            return None
        free = "" if not normed else ", bias=False" if context.torch else ", use_bias=False"
        units = _argument(layer, "units", width)
        arguments = f"{width}, {width}{free}" if context.torch else f"{units}{option}{free}{kept}"
        texts, dense_ops = [*first, f"{name}({arguments})"], [*ops, Operation.DENSE]
        if normed and normal is not None:
            norm_op, (bn, bn_imports) = normal
            return [bn, *texts], (*imports, *bn_imports, *more), (*dense_ops, norm_op)
        return texts, (*imports, *more), tuple(dense_ops)
    assert normal is not None
    norm_op, (bn, bn_imports) = normal
    plain = block == "conv-bn"
    kind = "Conv2d" if context.torch else "Conv2D" if plain else "SeparableConv2D"
    conv, more = context.imports.name(kind)
    imports = (*imports, *bn_imports, *more)
    last = [active] if activated else []
    behind = norm_behind(context, layer)
    free = biasless(context) if context.torch else ", use_bias=False"
    # A normalisation of what is activated leaves no bias out, nor does one beside a shortcut.
    unlike = behind == "activation" or (behind == "layer" and not is_normalised(context, layer))
    bias = "" if unlike else free
    if not context.torch:
        kept = _weight_options(context, layer) if plain else ""
        own = layer.arguments.get("kernel_size")
        size = "(3, 3)" if own is not None and isinstance(own.value, cst.Tuple) else "3"
        filters, kernel = _argument(layer, "filters", width), _argument(layer, "kernel_size", size)
        texts = [f"{conv}({filters}, {kernel}, padding={quoted(context, 'same')}{bias}{kept})"]
    elif plain:
        texts = [f"{conv}({width}, {width}, kernel_size=3, padding=1{bias})"]
    else:
        texts = [
            f"{conv}({width}, {width}, kernel_size=3, padding=1, groups={width}{free})",
            f"{conv}({width}, {width}, kernel_size=1{bias})",
        ]
    depthwise_ops = (Operation.DEPTHWISE_CONV,) if block == "separable" else ()
    ops = [*ops, *depthwise_ops, Operation.CONV, norm_op]
    if behind == "" and left_out_bias(context, layer):
        behind = "layer"  # what comes further down normalises the block in its place
    return _in_order(behind, first, texts, bn, last), imports, tuple(ops)


def _in_order(
    behind: str | None, first: list[str], texts: list[str], norm: str, last: list[str]
) -> list[str]:
    """The block, with its normalisation in front where the layer's own then comes behind it."""
    if behind == "layer":
        return [norm, *first, *texts, *last]
    if behind == "activation":
        return [*first, norm, *texts, *last]
    return [*first, *texts, norm, *last]


def _argument(layer: LayerCall, name: str, text: str) -> str:
    """An argument by its name, where the layer has its own so."""
    own = layer.arguments.get(name)
    return f"{name}={text}" if own is not None and own.keyword is not None else text


def _units(context: EditContext, layer: LayerCall) -> str | None:
    argument = layer.arguments.get(layer.kind.produces)
    return None if argument is None else copied(context, argument.value)


def _weight_options(context: EditContext, layer: LayerCall) -> str:
    """How a Keras layer starts and regularises its weights, as further arguments."""
    kept = [layer.arguments[name] for name in _WEIGHT_OPTIONS if name in layer.arguments]
    texts = [context.tree.code(argument) for argument in kept]
    return "".join(f", {text}" for text in texts if "\n" not in text)
