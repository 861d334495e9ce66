"""Where a layer stands in the source, and how to put layers behind it or take it away there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._naming import with_names
from nas_assistant.edits._order import in_order, makes_itself, named_entry, runs_in_order
from nas_assistant.edits._replace import LINE_LENGTH, Replacement
from nas_assistant.edits._source import dotted, self_attribute

Form = Literal["item", "pair", "append", "attribute", "functional", "expression"]
_COMMA_TO_LINE_END = re.compile(rb"[ \t]*,[ \t]*(#[^\r\n]*)?(?=\r?\n)")
_INDENTATION = re.compile(rb"(?<=\n)[ \t]+(?=\S)")
_COMMA_AND_SPACE = re.compile(rb"[ \t]*,[ \t]*")


@dataclass(frozen=True)
class Place:
    """How a constructor call is used.

    Attributes:
        form: ``item`` of a container that runs its layers in order; ``pair`` with its name in one; ``append``
            to one, in a statement of its own; ``attribute`` of ``self``; ``functional`` (``x = Layer()(y)``);
            or any other expression.
        node: The item, statement or expression.
        name: The attribute, the container or the variable that holds the result.
    """

    form: Form
    node: cst.CSTNode
    name: str = ""


def place_of(context: EditContext, call: cst.Call) -> Place:
    """Find how a call is used."""
    tree = context.tree
    parent = tree.parents[call]
    if isinstance(parent, cst.Arg | cst.Element) and in_order(context, parent):
        return Place("item", parent)
    if isinstance(parent, cst.Arg) and makes_itself(context, parent):
        return Place("item", parent)
    pair = named_entry(context, call)
    if pair is not None:
        return Place("pair", pair, _written_name(context, call))
    if isinstance(parent, cst.Arg):
        outer = tree.parents[parent]
        statement = tree.statement(outer)
        if isinstance(outer, cst.Call) and statement is not None and isinstance(statement.body[0], cst.Expr):
            name, _, method = dotted(outer.func).rpartition(".")
            alone = statement.body[0].value is outer and len(outer.args) == 1
            added = method == "add" and not context.torch
            if name and alone and (added or (method == "append" and runs_in_order(context, name))):
                return Place("append", statement, name)
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        attribute = self_attribute(parent.targets[0].target)
        if attribute is not None:
            return Place("attribute", call, attribute)
    if isinstance(parent, cst.Call) and parent.func is call and len(parent.args) == 1:
        statement = tree.statement(parent)
        if statement is not None and isinstance(statement.body[0], cst.Assign):
            assign = statement.body[0]
            if assign.value is parent and len(assign.targets) == 1 and dotted(assign.targets[0].target):
                return Place("functional", statement, dotted(assign.targets[0].target))
    return Place("expression", call)


def wrappable(context: EditContext, layer: LayerCall) -> bool:
    """Whether a layer may be put into a Sequential: nothing reads its own attributes."""
    place = place_of(context, layer.call)
    parents = context.tree.parents
    name = place.name if place.form == "attribute" else _written_name(context, layer.call)
    if isinstance(parents[layer.call], cst.Attribute) or any(
        isinstance(parents[node], cst.Attribute | cst.Subscript) for node in context.attributes(name)
    ):
        return False
    return place.form != "attribute" or all(_plain_use(context, use) for use in context.attribute_uses(name))


def _written_name(context: EditContext, call: cst.Call) -> str:
    """The name that stands before a layer, as in ``add_module("conv", call)`` or ``("conv", call)``."""
    item = context.tree.parents[call]
    outer = context.tree.parents.get(item)
    siblings = outer.args if isinstance(outer, cst.Call) else getattr(outer, "elements", ())
    before = [other.value for other, this in pairwise(siblings) if this is item]
    return str(before[0].evaluated_value) if before and isinstance(before[0], cst.SimpleString) else ""


def _plain_use(context: EditContext, use: cst.CSTNode) -> bool:
    parent = context.tree.parents[use]
    called = isinstance(parent, cst.Call) and parent.func is use
    return called or isinstance(parent, cst.AssignTarget | cst.Arg | cst.Element)


def put_behind(context: EditContext, layer: LayerCall, layers: Sequence[str]) -> list[Replacement] | None:
    """Run more layers behind a layer; None where its place does not allow it."""
    place, layers = place_of(context, layer.call), with_names(context, layer, layers)
    tree = context.tree
    if tree.shares_line(layer.call):
        return None  # lines of the layer's own would tear the other statements apart
    start, end = tree.span(place.node)
    if place.form == "item":
        return _behind_item(context, place.node, layers)
    if place.form == "append":
        indent = tree.indentation(start)
        if indent is None:
            return None
        method = "append" if context.torch else "add"
        at = tree.line_end(end)
        text = "".join(f"{tree.newline}{indent}{place.name}.{method}({item})" for item in layers)
        return [Replacement(at, at, text)]
    if place.form == "functional":
        indent = tree.indentation(start)
        if indent is None:
            return None
        at = tree.line_end(end)
        text = "".join(f"{tree.newline}{indent}{place.name} = {item}({place.name})" for item in layers)
        return [Replacement(at, at, text)]
    if not wrappable(context, layer):
        return None
    return wrap(context, layer.call, layers)


def wrap(
    context: EditContext, call: cst.Call, layers: Sequence[str], instead: str | None = None
) -> list[Replacement]:
    """``call`` becomes ``Sequential(call, *layers)``, on lines of their own where one would be too long.

    Args:
        context: The source.
        call: What constructs a layer.
        layers: Run behind it.
        instead: Stands first in its place.
    """
    tree = context.tree
    start, end = tree.span(call)
    name, imports = sequential_name(context)
    opening, closing = ("(", ")") if context.torch else ("([", "])")
    between = ", "
    more = name + opening + between.join([instead or "", *layers]) + closing
    if _too_long(context, start, end, more):
        outer, inner = _line_breaks(context, start)
        opening, between, closing = opening + inner, f",{inner}", f",{outer}{closing}"
    rest = "".join(between + item for item in layers) + closing
    if instead is not None:
        return [Replacement(start, end, f"{name}{opening}{instead}{rest}"), *imports]
    # The name is replaced, not only preceded, so that no other edit wraps the call along with this one.
    called = Replacement(*tree.span(call.func), f"{name}{opening}{tree.code(call.func)}")
    return [called, *_moved(context, call), Replacement(end, end, rest), *imports]


def _moved(context: EditContext, call: cst.Call) -> Iterator[Replacement]:
    """The indentation of a call's further lines where its first becomes a deeper one of its own."""
    tree = context.tree
    start, end = tree.span(call)
    outer, inner = (len(text) - len(tree.newline) for text in _line_breaks(context, start))
    column = start - tree.line_start(start)
    for found in _INDENTATION.finditer(tree.data, start, end):
        white = found[0].decode()
        # What is aligned with an argument of the first line stays so.
        deep = len(white) + inner - (column if len(white) > column else outer)
        yield Replacement(*found.span(), white.ljust(deep, white[0])[:deep])


def _line_breaks(context: EditContext, offset: int) -> tuple[str, str]:
    """The start of a new line as deep as the one that holds ``offset``, and of one that is a step deeper."""
    tree = context.tree
    line = tree.data[tree.line_start(offset) : tree.line_end(offset)].decode()
    outer = tree.newline + line[: len(line) - len(line.lstrip())]
    return outer, outer + ("\t" if "\t" in outer else "    ")


def sequential_name(context: EditContext) -> tuple[str, tuple[Replacement, ...]]:
    """How the file names the Sequential class."""
    if context.torch:
        return context.imports.name("Sequential")
    names = context.imports.names
    for local, full in names.items():
        if full.endswith((".Sequential",)) and "keras" in full:
            return local, ()
    for local, full in names.items():
        if full in ("keras", "tensorflow.keras", "tf_keras"):
            return f"{local}.Sequential", ()
    for local, full in names.items():
        if full == "tensorflow":
            return f"{local}.keras.Sequential", ()
    return context.imports.import_line(f"from {context.imports.package} import Sequential", "Sequential")


def _behind_item(context: EditContext, item: cst.CSTNode, layers: Sequence[str]) -> list[Replacement]:
    tree = context.tree
    start, end = tree.span(item)
    indent = tree.indentation(start)
    if indent is None:
        together = "".join(f", {layer}" for layer in layers)
        if not _too_long(context, start, end, together):
            return [Replacement(end, end, together)]
        if "\n" not in tree.code(tree.parents[item]):
            return unfolded(context, item, layers)
        indent = _under_first(context, item)
    elif found := _COMMA_TO_LINE_END.match(tree.data, end):  # keep a comment at the end of its line
        at = found.end()
        return [Replacement(at, at, "".join(f"{tree.newline}{indent}{layer}," for layer in layers))]
    return [Replacement(end, end, "".join(f",{tree.newline}{indent}{layer}" for layer in layers))]


def unfolded(context: EditContext, item: cst.CSTNode, layers: Sequence[str]) -> list[Replacement]:
    """More layers behind an item of a container of one line, all of them on lines of their own."""
    tree = context.tree
    outer, inner = _line_breaks(context, tree.span(item)[0])
    spans = [tree.span(sibling) for sibling in _siblings(context, item)]
    behind, closing = tree.span(item)[1], tree.span(tree.parents[item])[1] - 1
    return [
        Replacement(spans[0][0], spans[0][0], inner),
        Replacement(behind, behind, "".join(f",{inner}{layer}" for layer in layers)),
        *(Replacement(before[1], after[0], f",{inner}") for before, after in pairwise(spans)),
        Replacement(spans[-1][1], closing, f",{outer}"),
    ]


def _siblings(context: EditContext, item: cst.CSTNode) -> Sequence[cst.CSTNode]:
    """The items of the call or list that holds an item."""
    outer = context.tree.parents[item]
    return outer.args if isinstance(outer, cst.Call) else getattr(outer, "elements", (item,))


def next_item(context: EditContext, call: cst.Call) -> cst.CSTNode | None:
    """What stands next behind a layer or block in its container, if it is in one."""
    place = place_of(context, call)
    found = pairwise(_siblings(context, place.node)) if place.form == "item" else ()
    return next((getattr(after, "value", None) for item, after in found if item is place.node), None)


def _too_long(context: EditContext, start: int, end: int, more: str) -> bool:
    """Whether a piece of source has several lines, or its line would be too long with more text."""
    tree = context.tree
    line = tree.data[tree.line_start(start) : tree.line_end(end)].decode()
    return "\n" in line or len((line + more).expandtabs()) > LINE_LENGTH


def _under_first(context: EditContext, item: cst.CSTNode) -> str:
    """White space up to the column of the first item of a container."""
    tree = context.tree
    start = tree.span(_siblings(context, item)[0])[0]
    return re.sub(r"\S", " ", tree.data[tree.line_start(start) : start].decode())


def take_away(context: EditContext, *layers: LayerCall) -> list[Replacement] | None:
    """Take layers that run one behind the other out of the network; None where a place does not allow it."""
    found: list[Replacement] = []
    parents = context.tree.parents
    for _, run in groupby(layers, lambda layer: parents[place_of(context, layer.call).node]):
        gone = _take_run(context, list(run))
        if gone is None:
            return None
        found += gone
    return found


def _take_run(context: EditContext, run: Sequence[LayerCall]) -> list[Replacement] | None:
    """Take away layers that stand in one container or block."""
    tree = context.tree
    places = [place_of(context, layer.call) for layer in run]
    first, last = places[0].node, places[-1].node
    form = places[0].form
    if form == "item" or (form == "pair" and not any(_is_read(context, place.name) for place in places)):
        siblings = list(_siblings(context, first))
        if siblings.index(last) - siblings.index(first) != len(run) - 1:
            return None
        gone = without_item(context, first, last)
        if gone is not None:
            return [gone]
        if form == "pair" and len(run) > 1:
            return None
    elif len(run) > 1:
        parts = [_take_run(context, [layer]) for layer in run]
        left = len(getattr(tree.parents[first], "body", ())) > len(run)
        return [item for part in parts for item in part or ()] if left and all(parts) else None
    start, end = tree.span(first)
    if form == "append" and tree.indentation(start) is not None and not _only_statement(tree, places[0].node):
        return [_whole_lines(context, start, end)]
    if form == "functional":
        return _without_functional(context, places[0], run[0].call)
    if not context.torch and form not in ("attribute", "expression"):
        return None
    if not all(wrappable(context, layer) for layer in run):
        return None
    name, imports = context.imports.name("Identity")
    return [Replacement(tree.span(run[0].call)[0], tree.span(run[-1].call)[1], f"{name}()"), *imports]


def _is_read(context: EditContext, name: str) -> bool:
    """Whether a layer may be read by the name that it has in a container."""
    return any(True for _ in context.attributes(name)) or any(
        isinstance(node, cst.SimpleString)
        and name in str(node.evaluated_value).split(".")
        and not isinstance(context.tree.parents[context.tree.parents[node]], cst.Tuple)
        for node in context.tree.nodes(cst.SimpleString)
    )


def _only_statement(tree: object, statement: cst.CSTNode) -> bool:
    block = tree.parents[statement]  # type: ignore[attr-defined]
    return isinstance(block, cst.IndentedBlock) and len(block.body) == 1


def _without_functional(context: EditContext, place: Place, call: cst.Call) -> list[Replacement] | None:
    tree = context.tree
    outer = tree.parents[call]
    assert isinstance(outer, cst.Call)
    before = outer.args[0].value
    start, end = tree.span(place.node)
    if dotted(before) == place.name and tree.indentation(start) is not None:
        if not _only_statement(tree, place.node):
            return [_whole_lines(context, start, end)]
        return None
    first, last = tree.span(outer)
    return [Replacement(first, last, tree.code(before))]


def without_statement(context: EditContext, statement: cst.SimpleStatementLine) -> Replacement | None:
    """Take a statement away with its lines; None where others share them, or none would be left."""
    start, end = context.tree.span(statement)
    first = statement.body[0]
    if len(statement.body) > 1 or (isinstance(first, cst.Assign) and len(first.targets) > 1):
        return None
    if context.tree.indentation(start) is None or _only_statement(context.tree, statement):
        return None
    return _whole_lines(context, start, end)


def _whole_lines(context: EditContext, start: int, end: int) -> Replacement:
    tree = context.tree
    stop = tree.line_end(end)
    while stop < len(tree.data) and tree.data[stop : stop + 1] in (b"\r", b"\n"):
        stop += 1
        if tree.data[stop - 1 : stop] == b"\n":
            break
    return Replacement(tree.line_start(start), stop, "")


def without_item(
    context: EditContext, item: cst.CSTNode, last: cst.CSTNode | None = None
) -> Replacement | None:
    """Take an argument or list element, or all up to a last one, away; None where no other is left."""
    tree = context.tree
    siblings = list(_siblings(context, item))
    position, stop = siblings.index(item), siblings.index(last or item) + 1
    start, end = tree.span(item)[0], tree.span(last or item)[1]
    if stop - position == len(siblings) or (last is not None and b"#" in tree.data[start:end]):
        return None  # nothing would be left, or a comment would go along
    if found := _COMMA_TO_LINE_END.match(tree.data, end):
        if tree.indentation(start) is not None:
            return _whole_lines(context, start, found.end())
        if position:  # the comma at the end of the line is now that of the item before
            return Replacement(tree.span(siblings[position - 1])[1], end, "")
    if stop < len(siblings):
        comma = _COMMA_AND_SPACE.match(tree.data, end)
        return None if comma is None else Replacement(start, comma.end(), "")
    return Replacement(tree.span(siblings[position - 1])[1], end, "")
