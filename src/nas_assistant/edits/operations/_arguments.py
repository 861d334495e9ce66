"""Changing and adding arguments of a call."""

from __future__ import annotations

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._places import without_item
from nas_assistant.edits._replace import Replacement


def left_out_bias(context: EditContext, layer: LayerCall) -> cst.Arg | None:
    """The argument with which a layer leaves its bias to a normalisation behind it."""
    bias = layer.arguments.get("bias" if context.torch else "use_bias")
    return bias if bias is not None and context.tree.code(bias.value) == "False" else None


def bias_back(context: EditContext, bias: cst.Arg) -> Replacement | None:
    """Give a layer that leaves its bias out one; None where its arguments do not allow it."""
    return None if bias.keyword is None else without_item(context, bias)


def set_argument(context: EditContext, layer: LayerCall, name: str, text: str) -> Replacement | None:
    """Give an argument a value: in its place, or as a new keyword behind the last argument.

    ``text`` is a number, or a tuple in parentheses.
    """
    argument = layer.arguments.get(name)
    if argument is not None:
        if text.startswith("(") and argument.value.lpar:  # the parentheses are not part of a tuple's span
            text = text[1:-1]
        return Replacement(*context.tree.span(argument.value), text)
    if not layer.call.args or any(item.star for item in layer.call.args):
        return None
    end = context.tree.span(layer.call.args[-1])[1]
    return Replacement(end, end, f", {name}={text}")
