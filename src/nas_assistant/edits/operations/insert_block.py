"""More layers behind a layer."""

from __future__ import annotations

from collections.abc import Iterator

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import put_behind
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits.operations._text import (
    channels,
    dimensions,
    is_normalised,
    is_output,
    norm,
    reads,
    relu,
)
from nas_assistant.graphs import ACTIVATIONS, Operation

_BLOCKS = {2: ("conv-bn", "separable"), 0: ("dense",)}


class InsertBlock(BaseEditOperation):
    """Adds an activation and a further convolution or dense layer of the same width behind a layer."""

    name = "insert_block"
    summary = "an activation and a further layer of the same width behind a layer"
    grows = 1

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Convolutions and hidden dense layers."""
        for layer in context.layers:
            rank = dimensions(layer) if layer.main else None
            if layer.kind.role not in ("conv", "dense") or rank not in _BLOCKS or is_output(context, layer):
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
                )


def _block(
    context: EditContext, layer: LayerCall, block: str
) -> tuple[list[str], tuple[Replacement, ...], tuple[Operation, ...]] | None:
    """The texts of a block, the imports it needs, and its operations."""
    width = channels(context, layer) if context.torch else _units(context, layer)
    normal = norm(context, layer)
    if width is None or (normal is None and block != "dense"):
        return None
    active, imports = relu(context)
    activated = any(node.op in ACTIVATIONS for node in layer.nodes)
    first = [] if activated else [active]
    ops = [] if activated else [Operation.RELU]
    if block == "dense":
        name, more = context.imports.name("Linear" if context.torch else "Dense")
        tail = f'{name}({width}, activation="relu")' if activated else f"{name}({width})"
        text = f"{name}({width}, {width})" if context.torch else tail
        return [*first, text], (*imports, *more), (*ops, Operation.DENSE)
    assert normal is not None
    bn, bn_imports = normal
    conv, more = context.imports.name("Conv2d" if context.torch else "Conv2D")
    imports = (*imports, *bn_imports, *more)
    last = [active] if activated else []
    if not context.torch:
        kind = conv if block == "conv-bn" else context.imports.name("SeparableConv2D")[0]
        texts = [f'{kind}({width}, 3, padding="same", use_bias=False)']
    elif block == "conv-bn":
        texts = [f"{conv}({width}, {width}, kernel_size=3, padding=1, bias=False)"]
    else:
        texts = [
            f"{conv}({width}, {width}, kernel_size=3, padding=1, groups={width}, bias=False)",
            f"{conv}({width}, {width}, kernel_size=1, bias=False)",
        ]
    depthwise_ops = (Operation.DEPTHWISE_CONV,) if block == "separable" else ()
    ops = [*ops, *depthwise_ops, Operation.CONV, Operation.BATCH_NORM]
    return _in_order(context, layer, first, texts, bn, last), imports, tuple(ops)


def _in_order(
    context: EditContext, layer: LayerCall, first: list[str], texts: list[str], norm: str, last: list[str]
) -> list[str]:
    """The block, with its normalisation in front where the layer's own then comes behind it."""
    if first and is_normalised(context, layer):
        return [norm, *first, *texts]
    return [*first, *texts, norm, *last]


def _units(context: EditContext, layer: LayerCall) -> str | None:
    from nas_assistant.edits.operations._text import copied

    argument = layer.arguments.get(layer.kind.produces)
    return None if argument is None else copied(context, argument.value)
