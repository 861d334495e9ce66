"""New normalisations and activations, like those that the file has around a layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._replace import Replacement
from nas_assistant.edits._source import dotted
from nas_assistant.edits._values import literal
from nas_assistant.edits.operations._activations import CHOICES, KERAS_NAME, TORCH_CLASS
from nas_assistant.edits.operations._around import PASSING, UP_TO_NORM, behind, dimensions, norms_next
from nas_assistant.edits.operations._text import FIXED, channels, is_constant, is_literal, is_pure, quoted
from nas_assistant.graphs import NORMALISATIONS, Node, Operation

Written = tuple[str, tuple[Replacement, ...]]
HIDDEN = frozenset({*CHOICES, Operation.RELU6})
_NORMS = (Operation.BATCH_NORM, Operation.GROUP_NORM)
_GROUPS: dict[str, tuple[str, int | None]] = {
    "GroupNorm": ("num_groups", None),
    "GroupNormalization": ("groups", 32),
}
_NORM_OPTIONS = frozenset({"axis", "eps", "epsilon", "momentum"})


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
        if key in _NORM_OPTIONS and is_constant(context, item.value)
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


def norm_again(context: EditContext, layer: LayerCall) -> tuple[Operation, Written] | None:
    """The normalisation behind a PyTorch layer or its activation, once more for what the layer gives out."""
    pairs = [(node, norm) for node in layer.last for norm in norms_next(context, node, UP_TO_NORM)]
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
    constant = is_literal(item.value) or FIXED.fullmatch(text)
    width = any(layer.arguments.get(name) is item for name in layer.kind.follows)
    if width and not isinstance(item.value, cst.Tuple | cst.List):
        given = channels(context, before)
    else:
        given = text if constant else None
    return given if given is None or item.keyword is None else f"{item.keyword.value}={given}"


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
    found = _activations(context, read, function, is_pure)
    if len(found) != 1 or any(context.constructor(node) not in found for node in read):
        # What is no literal may be the width of another layer.
        found = _activations(context, context.graph, function, is_literal)
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
        if plain and all(is_literal(value) or fits(value) for value in values):
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
        is_literal(item.value) for item in known if item is not layer.arguments.get("name")
    )
