"""Pieces of source that operations put in."""

from __future__ import annotations

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement
from nas_assistant.graphs import NORMALISATIONS, Node, Operation

Written = tuple[str, tuple[Replacement, ...]]
_PURE = (cst.Name, cst.Attribute, cst.Integer, cst.BinaryOperation, cst.BaseBinaryOp, cst.Subscript,
         cst.SubscriptElement, cst.Index)  # fmt: skip
_SPACE = (
    cst.SimpleWhitespace,
    cst.Dot,
    cst.LeftSquareBracket,
    cst.RightSquareBracket,
    cst.LeftParen,
    cst.RightParen,
)


def copied(context: EditContext, expression: cst.BaseExpression) -> str | None:
    """Text of an expression that may be evaluated twice, on one line; otherwise None."""
    stack: list[cst.CSTNode] = [expression]
    while stack:
        node = stack.pop()
        if not isinstance(node, _PURE + _SPACE):
            return None
        stack.extend(node.children)
    text = context.tree.code(expression)
    return None if "\n" in text else text


def channels(context: EditContext, layer: LayerCall) -> str | None:
    """Source of the number of channels that a PyTorch layer gives out."""
    names = [layer.kind.produces] if layer.kind.produces else list(layer.kind.follows)
    for name in names:
        argument = layer.arguments.get(name)
        if argument is not None:
            return copied(context, argument.value)
    return None


def reads(context: EditContext, layer: LayerCall) -> frozenset[int]:
    """Channel groups that :func:`channels` copies."""
    groups: frozenset[int] = frozenset()
    for node in layer.main:
        groups |= context.channels.groups_at(node)
    return groups


def dimensions(layer: LayerCall) -> int | None:
    """2 behind a convolution of feature maps, 0 behind a dense layer of plain vectors, otherwise None."""
    ranks = {len(node.output_shape) - 1 for node in layer.main}
    rank = ranks.pop() if len(ranks) == 1 else None
    dense = layer.kind.role == "dense"
    return rank if rank == (0 if dense else 2) else None


def norm(context: EditContext, layer: LayerCall) -> Written | None:
    """A batch normalisation for the output of a layer."""
    rank = dimensions(layer)
    if rank is None:
        return None
    if not context.torch:
        name, imports = context.imports.name("BatchNormalization")
        return f"{name}()", imports
    width = channels(context, layer)
    if width is None:
        return None
    name, imports = context.imports.name("BatchNorm2d" if rank == 2 else "BatchNorm1d")
    return f"{name}({width})", imports


def relu(context: EditContext) -> Written:
    """A fresh ReLU."""
    name, imports = context.imports.name("ReLU")
    return f"{name}()", imports


def same(node: Node) -> bool:
    """Whether a node keeps the shape of its input."""
    return node.input_shape == node.output_shape and len(node.inputs) >= 1


def only_user(context: EditContext, node: Node) -> Node | None:
    """The one node that reads a node's output, if there is one only."""
    users = context.users.get(node.id, [])
    return context.graph.nodes[users[0]] if len(users) == 1 else None


def is_normalised(context: EditContext, layer: LayerCall) -> bool:
    """Whether a normalisation, and nothing else, reads what a layer gives out."""
    readers = [only_user(context, node) for node in layer.last]
    return bool(readers) and all(reader is not None and reader.op in NORMALISATIONS for reader in readers)


def makes_output(context: EditContext, node: Node) -> bool:
    """Whether nothing but shape-free operations stands between a node and the network's output."""
    seen: list[int] = [node.id]
    passing = (Operation.SOFTMAX, Operation.SIGMOID, Operation.IDENTITY, Operation.RESHAPE, Operation.DROPOUT)
    while seen:
        for user in context.users.get(seen.pop(), []):
            found = context.graph.nodes[user]
            if found.op is Operation.OUTPUT:
                return True
            if found.op in passing:
                seen.append(user)
    return False


def is_output(context: EditContext, layer: LayerCall) -> bool:
    """Whether one of a layer's nodes makes the network's output."""
    return any(makes_output(context, node) for node in layer.main)
