"""Pieces of source that operations put in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Literal

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import SourceTree, dotted, self_attribute
from nas_assistant.edits._values import literal
from nas_assistant.edits.operations._activations import CHOICES, KERAS_NAME, TORCH_CLASS
from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Node, Operation

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
_LITERAL = (cst.Integer, cst.Float, cst.SimpleString)
_CONSTANTS = ("True", "False", "None")
_NORMS = (Operation.BATCH_NORM, Operation.GROUP_NORM)
_GROUPS: dict[str, tuple[str, int | None]] = {
    "GroupNorm": ("num_groups", None),
    "GroupNormalization": ("groups", 32),
}
_NORM_OPTIONS = frozenset({"axis", "eps", "epsilon", "momentum"})
PASSING = frozenset({Operation.DROPOUT, Operation.IDENTITY, Operation.RESHAPE, Operation.TRANSPOSE})
UP_TO_NORM = PASSING | ACTIVATIONS
_PRODUCTS = frozenset({Operation.ATTENTION, Operation.MATMUL})
HIDDEN = frozenset({*CHOICES, Operation.RELU6})
_FIXED = re.compile(r"[\d\s,()\[\]]+")
_STATEMENTS = (cst.SimpleStatementLine, cst.FunctionDef)


def copied(context: EditContext, expression: cst.BaseExpression) -> str | None:
    """Text of an expression that may be evaluated twice, on one line; otherwise None."""
    text = context.tree.code(expression)
    return text if _is_pure(expression) and "\n" not in text else None


def _is_pure(expression: cst.BaseExpression) -> bool:
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


def dimensions(layer: LayerCall) -> int | None:
    """2 behind a convolution of feature maps, 0 behind a dense layer of plain vectors, otherwise None."""
    ranks = {len(node.output_shape) - 1 for node in layer.main}
    rank = ranks.pop() if len(ranks) == 1 else None
    dense = layer.kind.role == "dense"
    return rank if rank == (0 if dense else 2) else None


def norm(context: EditContext, layer: LayerCall) -> tuple[Operation, Written] | None:
    """A normalisation for the output of a layer: of groups or of the batch, as the file's nearest own."""
    rank = dimensions(layer)
    if rank is None:
        return None
    kind = "BatchNormalization" if not context.torch else "BatchNorm2d" if rank == 2 else "BatchNorm1d"
    width = channels(context, layer) if context.torch else ""
    if width is None:
        return None
    own = _nearest(context, layer, lambda found: any(node.op in _NORMS for node in found.nodes))
    if rank == 2 and own is not None and own.nodes[0].op is Operation.GROUP_NORM:
        grouped = _like(context, layer, own) if _divides(own, layer) else None
        return None if grouped is None else (Operation.GROUP_NORM, grouped)
    if rank == 2 and own is not None and _is_local(context, own.call) and _same_function(context, own, layer):
        return Operation.BATCH_NORM, (f"{dotted(own.call.func)}({width})", ())
    options = [
        f"{key}={context.tree.code(item.value)}"
        for key, item in (own.arguments if own else {}).items()
        if key in _NORM_OPTIONS and _is_constant(context, item.value)
    ]
    name, imports = context.imports.name(kind)
    return Operation.BATCH_NORM, (f"{name}({', '.join(filter(None, [width, *options]))})", imports)


def _divides(norm: LayerCall, layer: LayerCall) -> bool:
    """Whether the groups of a group normalisation are a number that divides the channels of a layer."""
    if norm.kind.name not in _GROUPS:
        return True  # every channel is one
    name, usual = _GROUPS[norm.kind.name]
    groups = literal(norm.arguments[name].value) if name in norm.arguments else usual
    return isinstance(groups, int) and all(node.output_shape[0] % groups == 0 for node in layer.main)


def _is_local(context: EditContext, call: cst.Call) -> bool:
    """Whether what is called has a name that only its function knows, as an argument ``norm_layer``."""
    return dotted(call.func).partition(".")[0] not in {*context.imports.names, *context.imports.defined}


def _same_function(context: EditContext, first: LayerCall, second: LayerCall) -> bool:
    functions = [context.tree.enclosing(layer.call, cst.FunctionDef) for layer in (first, second)]
    return functions[0] is not None and functions[0] is functions[1]


def activation(context: EditContext, layer: LayerCall) -> tuple[Operation, Written]:
    """A fresh activation: as the layer's own, like the file's nearest to it, or of the usual sort."""
    if (own := _own_activation(context, layer)) is not None:
        return own
    nearest = _nearest(context, layer, lambda found: _repeatable(context, found))
    if nearest is not None:
        texts = [context.tree.code(item) for key, item in nearest.arguments.items() if key != "name"]
        return nearest.nodes[0].op, (f"{dotted(nearest.call.func)}({', '.join(texts)})", ())
    usual = Counter(node.op for node in context.graph if node.op in HIDDEN).most_common(1)
    op = usual[0][0] if usual else Operation.RELU
    if context.torch or op is Operation.RELU:
        name, imports = context.imports.name(TORCH_CLASS[op])
        return op, (f"{name}()", imports)
    name, imports = context.imports.name("Activation")
    return op, (f"{name}({quoted(context, KERAS_NAME[op])})", imports)


def _own_activation(context: EditContext, layer: LayerCall) -> tuple[Operation, Written] | None:
    """The activation behind a PyTorch layer, or else the nearest, as the function that makes it writes it."""
    function = context.tree.enclosing(layer.call, cst.FunctionDef)
    if not context.torch or function is None:
        return None
    read = [node for last in layer.last for node in behind(context, last, PASSING | NORMALISATIONS)]
    found = _activations(context, read, function, _is_pure)
    if len(found) != 1 or any(context.constructor(node) not in found for node in read):
        # What is no literal may be the width of another layer.
        found = _activations(context, context.graph, function, _is_literal)
    call = min(found, key=lambda call: _distance(context, layer, call), default=None)
    return None if call is None else (found[call], (context.tree.code(call), ()))


def _activations(
    context: EditContext,
    nodes: Iterable[Node],
    function: cst.CSTNode,
    fits: Callable[[cst.BaseExpression], bool],
) -> dict[cst.Call, Operation]:
    """The calls of a function that make hidden activations of literals, or of arguments that fit."""
    found = {}
    for node in nodes:
        call = context.constructor(node) if node.op in HIDDEN else None
        if call is None or context.tree.enclosing(call, cst.FunctionDef) is not function:
            continue
        values = [item.value for item in call.args if not item.star]
        plain = len(values) == len(call.args) and dotted(call.func) and "\n" not in context.tree.code(call)
        if plain and all(_is_literal(value) or fits(value) for value in values):
            found[call] = node.op
    return found


def _nearest(context: EditContext, layer: LayerCall, fits: Callable[[LayerCall], bool]) -> LayerCall | None:
    """The layer call of some sort that stands nearest to a layer."""
    found = filter(fits, context.layers)
    return min(found, key=lambda found: _distance(context, layer, found.call), default=None)


def _distance(context: EditContext, layer: LayerCall, call: cst.Call) -> int:
    """Bytes between a layer's call and another."""
    start, end = context.tree.span(layer.call)
    first, last = context.tree.span(call)
    return max(first - end, start - last)


def _repeatable(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer is a hidden activation, made of names of the whole file and literals only."""
    if layer.kind.role != "activation" or layer.nodes[0].op not in HIDDEN:
        return False
    name, known = dotted(layer.call.func), [*layer.arguments.values()]
    if (
        name.partition(".")[0] not in context.imports.names
        and context.imports.name(layer.kind.name)[0] != name
    ):
        return False
    return len(known) == len(layer.call.args) and all(
        _is_literal(item.value) for item in known if item is not layer.arguments.get("name")
    )


def _is_literal(value: cst.BaseExpression) -> bool:
    return isinstance(value, _LITERAL) or dotted(value) in _CONSTANTS


def _is_constant(context: EditContext, value: cst.BaseExpression) -> bool:
    """Whether an expression means the same wherever it stands in the file."""
    if isinstance(value, cst.UnaryOperation):
        value = value.expression
    return _is_literal(value) or dotted(value) in context.constants


def quoted(context: EditContext, text: str) -> str:
    """A string in the quotes that most of the file's have."""
    quotes = [
        node.quote for node in context.tree.nodes(cst.SimpleString) if isinstance(node, cst.SimpleString)
    ]
    quote = "'" if quotes.count("'") > quotes.count('"') else '"'
    return f"{quote}{text}{quote}"


def same(node: Node) -> bool:
    """Whether a node keeps the shape of its input."""
    return node.input_shape == node.output_shape and len(node.inputs) >= 1


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
    return all(_FIXED.fullmatch(context.tree.code(argument.value)) for argument in found)


def only_user(context: EditContext, node: Node) -> Node | None:
    """The one node that reads a node's output, if there is one only."""
    users = context.users.get(node.id, [])
    return context.graph.nodes[users[0]] if len(users) == 1 else None


def norm_behind(context: EditContext, layer: LayerCall) -> Literal["layer", "activation", ""] | None:
    """What a normalisation stands behind: a layer, its activation, or neither; None where uses differ."""
    found = {_norm_behind(context, node) for node in layer.last}
    return found.pop() if len(found) == 1 else None


def is_normalised(context: EditContext, layer: LayerCall) -> bool:
    """Whether all that reads a layer normalises it first."""
    found = [user for node in layer.last for user in behind(context, node, PASSING)]
    return all(user.op in NORMALISATIONS for user in found)


def norms_behind(context: EditContext, layer: LayerCall) -> frozenset[int]:
    """Ids of the normalisations next behind a layer or its activation."""
    found = (_norms(context, node, UP_TO_NORM) for node in layer.last)
    return frozenset(norm.id for norms in found for norm in norms)


def _norm_behind(context: EditContext, node: Node) -> Literal["layer", "activation", ""]:
    if _norms(context, node, PASSING):
        return "layer"
    return "activation" if _norms(context, node, UP_TO_NORM) else ""


def _norms(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The normalisations next behind a node."""
    return [found for found in behind(context, node, passing) if found.op in NORMALISATIONS]


def norm_again(context: EditContext, layer: LayerCall) -> tuple[Operation, Written] | None:
    """The normalisation behind a PyTorch layer or its activation, once more for what the layer gives out."""
    pairs = [(node, norm) for node in layer.last for norm in _norms(context, node, UP_TO_NORM)]
    made = [context.made_by.get(norm.id) for _, norm in pairs]
    own = made[0]
    if own is not None and all(one is own for one in made):
        written = _like(context, layer, own)
        if written is not None and all(norm.input_shape == node.output_shape for node, norm in pairs):
            return pairs[0][1].op, written
    return norm(context, layer) if {norm.op for _, norm in pairs} == {Operation.BATCH_NORM} else None


def _like(context: EditContext, before: LayerCall, layer: LayerCall) -> Written | None:
    """A layer again for what another one gives; None where its arguments may mean another thing there."""
    items = [item for item in layer.call.args if item.keyword is None or item.keyword.value != "name"]
    texts = [_argument_again(context, before, layer, item) for item in items]
    if None in texts:
        return None
    name, imports = _class_again(context, layer)
    return f"{name}({', '.join(map(str, texts))})", imports


def _class_again(context: EditContext, layer: LayerCall) -> Written:
    """The class of a layer, by a name that the whole file knows."""
    name = dotted(layer.call.func)
    known = {*context.imports.names, *context.imports.defined}
    return (name, ()) if name.partition(".")[0] in known else context.imports.name(layer.kind.name)


def _argument_again(context: EditContext, before: LayerCall, layer: LayerCall, item: cst.Arg) -> str | None:
    """An argument of a layer, for what another layer gives; None where it may mean another thing there."""
    text = cst.Module([]).code_for_node(item.value)  # with the parentheses of a tuple
    constant = _is_literal(item.value) or _FIXED.fullmatch(text)
    width = any(layer.arguments.get(name) is item for name in layer.kind.follows)
    if width and not isinstance(item.value, cst.Tuple | cst.List):
        given = channels(context, before)
    else:
        given = text if constant else None
    return given if given is None or item.keyword is None else f"{item.keyword.value}={given}"


def reads_product(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer reads a product of matrices, as the projection behind an attention does."""
    return any(found.op in _PRODUCTS for node in layer.main for found in before(context, node, PASSING))


def behind(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The nodes that read a node, and for those of some operations the nodes behind them."""
    return list(_beyond(context, node, lambda at: context.users.get(at.id, ()), passing))


def before(context: EditContext, node: Node, passing: Set[Operation]) -> list[Node]:
    """The nodes that a node reads, and for those of some operations the nodes before them."""
    return list(_beyond(context, node, lambda at: at.inputs, passing))


def _beyond(
    context: EditContext, node: Node, ways: Callable[[Node], Iterable[int]], passing: Set[Operation]
) -> Iterator[Node]:
    for found in map(context.graph.nodes.__getitem__, ways(node)):
        if found.op in passing:
            yield from _beyond(context, found, ways, passing)
        else:
            yield found


def runs_again(layer: LayerCall) -> bool:
    """Whether a layer runs more than once, which would mix the running statistics of a norm behind it."""
    runs = [(node.layer, node.op) for node in layer.main]
    return len(set(runs)) < len(runs)


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


def is_depthwise(layer: LayerCall) -> bool:
    """Whether a layer is the depthwise half of a separable convolution; the other half belongs behind it."""
    return any(node.op is Operation.DEPTHWISE_CONV for node in layer.main)


def has_one_pixel(layer: LayerCall) -> bool:
    """Whether a layer gives single values: feature maps of one pixel, as in a gate, or plain vectors."""
    return all(math.prod(node.output_shape[1:]) == 1 for node in layer.main)


def is_thin(layer: LayerCall) -> bool:
    """Whether a layer gives feature maps with a side of one pixel, where most of a kernel meets padding."""
    return all(1 in node.output_shape[1:] for node in layer.main)
