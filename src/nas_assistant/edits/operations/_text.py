"""Pieces of source that operations copy and put in."""

from __future__ import annotations

import re

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._source import SourceTree, dotted, self_attribute

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
_LITERAL = (cst.Integer, cst.Float, cst.SimpleString)
_CONSTANTS = ("True", "False", "None")
FIXED = re.compile(r"[\d\s,()\[\]]+")
"""Numbers alone."""
_STATEMENTS = (cst.SimpleStatementLine, cst.FunctionDef)


def copied(context: EditContext, expression: cst.BaseExpression) -> str | None:
    """Text of an expression that may be evaluated twice, on one line; otherwise None."""
    text = context.tree.code(expression)
    return text if is_pure(expression) and "\n" not in text else None


def is_pure(expression: cst.BaseExpression) -> bool:
    """Whether an expression may be evaluated twice: names, numbers and what is reckoned of them."""
    stack: list[cst.CSTNode] = [expression]
    while stack:
        node = stack.pop()
        if not isinstance(node, _PURE + _SPACE):
            return False
        stack.extend(node.children)
    return True


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


def is_literal(value: cst.BaseExpression) -> bool:
    """Whether an expression is a number, a string or a constant of Python."""
    return isinstance(value, _LITERAL) or dotted(value) in _CONSTANTS


def is_constant(context: EditContext, value: cst.BaseExpression) -> bool:
    """Whether an expression means the same wherever it stands in the file."""
    if isinstance(value, cst.UnaryOperation):
        value = value.expression
    return is_literal(value) or dotted(value) in context.constants


def quoted(context: EditContext, text: str) -> str:
    """A string in the quotes that most of the file's have."""
    quotes = [
        node.quote for node in context.tree.nodes(cst.SimpleString) if isinstance(node, cst.SimpleString)
    ]
    quote = "'" if quotes.count("'") > quotes.count('"') else '"'
    return f"{quote}{text}{quote}"


def same_by_name(context: EditContext, first: LayerCall, last: LayerCall | None = None) -> bool:
    """Whether layers keep the shape of their input for any arguments, as far as their calls tell.

    Args:
        context: The source and its graph.
        first: The layer, or the first of those that run one behind the other.
        last: The last of them.
    """
    last = last or first
    reads = [first.arguments[name] for name in first.kind.follows if name in first.arguments]
    gives = [last.arguments[name] for name in (last.kind.produces,) if name in last.arguments]
    same = len({context.tree.code(argument.value) for argument in (*reads, *gives)}) < 2
    return same and has_fixed_stride(context, first) and has_fixed_stride(context, last)


def has_fixed_stride(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer's stride is a number, and not an argument that may be another one elsewhere."""
    found = [layer.arguments[name] for name in ("stride", "strides") if name in layer.arguments]
    return all(FIXED.fullmatch(context.tree.code(argument.value)) for argument in found)


def biasless(context: EditContext) -> str:
    """The argument of a PyTorch layer that leaves out its bias, where the file can do without one."""
    uses = context.tree.nodes(cst.Attribute)
    return "" if any(_needs_bias(context.tree, use) for use in uses) else ", bias=False"


def _needs_bias(tree: SourceTree, use: cst.CSTNode) -> bool:
    """Whether a use is like ``init.zeros_(m.bias)`` for an ``m`` that may be a convolution without a bias."""
    if not isinstance(use, cst.Attribute) or use.attr.value != "bias" or dotted(use.value) in ("", "self"):
        return False
    if self_attribute(use.value) or not isinstance(
        tree.enclosing(use, cst.Call, cst.If, *_STATEMENTS), cst.Call
    ):
        return False
    around = tree.enclosing(use, cst.If, cst.MatchCase)
    if isinstance(around, cst.MatchCase):
        tests: list[cst.CSTNode] = [around.pattern, *([around.guard] if around.guard else [])]
    elif isinstance(around, cst.If) and not (around.orelse and tree.inside(use, around.orelse)):
        tests = [around.test]
    else:
        return True
    test = " ".join(map(tree.code, tests))
    return ".bias" not in test and ("Conv" in test or not re.search("Norm|Linear|Dense|Embedding", test))
