"""Average pooling for max pooling, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits._tables import in_table
from nas_assistant.edits.operations._idle import is_idle, single_pixels
from nas_assistant.edits.operations._linear import keeps_apart
from nas_assistant.graphs import Operation

_PAIRS = (("MaxPool", "AvgPool"), ("MaxPooling", "AveragePooling"), ("max_pool", "avg_pool"))
_NOT_BOTH = ("dilation", "return_indices", "ceil_mode", "count_include_pad", "divisor_override")


class SwapPool(BaseEditOperation):
    """Swaps the maximum and the mean of pooling windows."""

    name = "swap_pool"
    summary = "average pooling for max pooling, or the other way round"

    def sites(self, context: EditContext) -> Iterator[Change]:
        """Pools with arguments that both kinds take; a maximum stays where nothing else is nonlinear."""
        pools = (layer for layer in context.layers if layer.kind.role == "pool" and not is_idle(layer))
        calls = [(layer.call, layer.main) for layer in pools]
        made = {node.id for layer in context.layers for node in layer.nodes}
        for offset, nodes in context.called_at.items():
            run = tuple(node for node in nodes if node.id not in made and node.stride != (0, 0))
            if run and all(node.op in (Operation.MAX_POOL, Operation.AVG_POOL) for node in run):
                calls.extend((call, run) for call in context.tree.calls.get(offset, []))
        for call, found in sorted(calls, key=lambda item: context.tree.span(item[0])):
            if single_pixels(found):
                continue  # of one pixel, mean and maximum are the same
            if in_table(context, call):
                continue
            old = dotted(call.func)
            new = _other(old)
            plain = sum(item.keyword is None for item in call.args)
            named = {item.keyword.value for item in call.args if item.keyword is not None}
            if not new or plain > (4 if "pool2d" in old and old[0] != "M" else 3) or named & set(_NOT_BOTH):
                continue
            if "." not in new and not _in_scope(context, new):
                continue
            to = Operation.AVG_POOL if found[0].op is Operation.MAX_POOL else Operation.MAX_POOL
            if to is Operation.AVG_POOL and any(keeps_apart(context, node) for node in found):
                continue
            start = context.tree.span(call)[0]
            layer = found[0].layer or old
            edit = self.edit(context, start, layer, {"from": found[0].op.value, "to": to.value})
            yield Change(
                edit,
                (_renamed(context, call, new),),
                introduces=frozenset({to.value}),
                relevant=tuple(node.id for node in found),
            )


def _renamed(context: EditContext, call: cst.Call, new: str) -> Replacement:
    if not call.args:  # Keras: MaxPooling2D has a default size, AveragePooling2D in some releases none
        return Replacement(*context.tree.span(call), f"{new}(2)")
    return Replacement(*context.tree.span(call.func), new)


def _other(name: str) -> str:
    head, dot, last = name.rpartition(".")
    for first, second in _PAIRS:
        for old, new in ((first, second), (second, first)):
            if last.startswith(old) and not last[len(old) : len(old) + 3].startswith("ing"):
                return head + dot + new + last[len(old) :]
    return ""


def _in_scope(context: EditContext, name: str) -> bool:
    return name in context.imports.names or bool(context.imports.stars)
