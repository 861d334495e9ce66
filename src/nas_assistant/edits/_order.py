"""Which containers run their layers in the order in which they stand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._source import dotted


def in_order(context: EditContext, item: cst.CSTNode) -> bool:
    """Whether an argument or list element is run as one of a sequence of layers."""
    tree = context.tree
    outer = tree.parents[item]
    if isinstance(item, cst.Arg) and (item.keyword is not None or item.star):
        return False
    if isinstance(outer, cst.Call):
        return context.torch and is_sequential(context, outer) and not _indexed(context, outer)
    if not isinstance(outer, cst.List):
        return False
    around = tree.parents[outer]
    if isinstance(around, cst.Arg) and isinstance(tree.parents[around], cst.Call):
        call = tree.parents[around]
        assert isinstance(call, cst.Call)
        if is_sequential(context, call):
            return not around.star and not context.torch
        name, _, method = dotted(call.func).rpartition(".")
        return method == "extend" and runs_in_order(context, name)
    if isinstance(around, cst.AugAssign):
        return runs_in_order(context, dotted(around.target))
    if isinstance(around, cst.Assign) and len(around.targets) == 1:
        return runs_in_order(context, dotted(around.targets[0].target))
    return False


_NAMED = (cst.Element, cst.Tuple, cst.Element, cst.List, cst.Arg, cst.Call, cst.Arg, cst.Call)


def named_entry(context: EditContext, call: cst.Call) -> cst.Element | None:
    """The pair ``("name", call)`` of an OrderedDict that a Sequential is made of, if a call stands in one."""
    around = list(islice(context.tree.ancestors(call), len(_NAMED)))
    if len(around) < len(_NAMED) or not all(map(isinstance, around, _NAMED)):
        return None
    _, _, pair, _, _, ordered, _, sequential = around
    assert (
        isinstance(pair, cst.Element) and isinstance(ordered, cst.Call) and isinstance(sequential, cst.Call)
    )
    named = dotted(ordered.func).rpartition(".")[2] == "OrderedDict" and is_sequential(context, sequential)
    return pair if named and not _indexed(context, sequential) else None


def is_sequential(context: EditContext, call: cst.Call) -> bool:
    """Whether a call constructs a Sequential of the framework."""
    name = dotted(call.func)
    return name.rpartition(".")[2] == "Sequential" and name not in context.imports.defined


def runs_in_order(context: EditContext, name: str) -> bool:
    """Whether a list of layers becomes a Sequential, or part of one, and is not indexed."""
    known = context.run_in_order
    if name not in known:
        known[name] = _runs(context, name, frozenset())
    return known[name]


def _runs(context: EditContext, name: str, through: frozenset[str]) -> bool:
    """The same of a list to which lists and functions of other names lead."""
    if not name or name in through or _subscripted(context, name):
        return False
    through |= {name}
    held = [node for node in context.tree.nodes(cst.Name, cst.Attribute) if _named(node, name)]
    return any(_joins(context, node, through) for node in held) or any(
        _returned(context, function, through) for function in _returning(context, held)
    )


def _joins(context: EditContext, value: cst.CSTNode, through: frozenset[str]) -> bool:
    """Whether the layers of a list are put into a Sequential or into a list that becomes one."""
    parent = context.tree.parents[value]
    if isinstance(parent, cst.AugAssign) and parent.value is value:
        added = isinstance(parent.operator, cst.AddAssign)
        return added and _runs(context, dotted(parent.target), through)
    call = context.tree.parents.get(parent)
    if not isinstance(parent, cst.Arg) or not isinstance(call, cst.Call):
        return False
    if parent.star:
        return parent.star == "*" and is_sequential(context, call) and not _indexed(context, call)
    name, _, method = dotted(call.func).rpartition(".")
    return method == "extend" and _runs(context, name, through)


def _returning(context: EditContext, held: list[cst.CSTNode]) -> Iterator[str]:
    """The functions that return a list."""
    for node in held:
        function = context.tree.enclosing(node, cst.FunctionDef)
        if isinstance(context.tree.parents[node], cst.Return) and isinstance(function, cst.FunctionDef):
            yield function.name.value


def _returned(context: EditContext, function: str, through: frozenset[str]) -> bool:
    """Whether all that a function returns is run in order."""
    if f"{function}()" in through:
        return False
    uses = [
        node
        for node in context.tree.nodes(cst.Name)
        if _named(node, function) and not isinstance(context.tree.parents[node], cst.FunctionDef)
    ]
    made = [_call_of(context, use) for use in uses]
    return bool(made) and all(
        call is not None and _joins(context, call, through | {f"{function}()"}) for call in made
    )


def _call_of(context: EditContext, use: cst.CSTNode) -> cst.Call | None:
    """The call of a function, as ``make()`` or ``self.make()``, at one of its names."""
    parent = context.tree.parents[use]
    if isinstance(parent, cst.Attribute) and parent.attr is use:
        use, parent = parent, context.tree.parents[parent]
    return parent if isinstance(parent, cst.Call) and parent.func is use else None


def _named(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name | cst.Attribute) and dotted(node) == name


def _subscripted(context: EditContext, name: str) -> bool:
    return any(
        isinstance(node, cst.Subscript) and dotted(node.value) == name
        for node in context.tree.nodes(cst.Subscript)
    )


def _indexed(context: EditContext, sequential: cst.Call) -> bool:
    parent = context.tree.parents[sequential]
    return (
        isinstance(parent, cst.Assign)
        and len(parent.targets) == 1
        and _subscripted(context, dotted(parent.targets[0].target))
    )


def makes_itself(context: EditContext, item: cst.Arg) -> bool:
    """Whether a layer is one of those of which a class that extends Sequential makes itself."""
    tree = context.tree
    call = tree.parents[item]
    if not context.torch or item.keyword is not None or item.star or not isinstance(call, cst.Call):
        return False
    name, above = call.func, tree.enclosing(call, cst.ClassDef)
    if not isinstance(name, cst.Attribute) or name.attr.value != "__init__":
        return False
    if not isinstance(name.value, cst.Call) or dotted(name.value.func) != "super":
        return False
    if not isinstance(above, cst.ClassDef) or len(above.bases) != 1:
        return False
    base = dotted(above.bases[0].value)
    if base.rpartition(".")[2] != "Sequential" or base in context.imports.defined:
        return False
    own = (part.name.value for part in above.body.body if isinstance(part, cst.FunctionDef))
    return "forward" not in own and not _is_indexed(context, above)


def _is_indexed(context: EditContext, made: cst.ClassDef) -> bool:
    """Whether a class, or what holds one of its modules, is read by position."""
    tree = context.tree
    held = set[str]()
    for call in tree.nodes(cst.Call):
        parent = tree.parents[call]
        named = isinstance(call, cst.Call) and dotted(call.func) == made.name.value
        if named and isinstance(parent, cst.Assign):
            held.update(dotted(target.target) for target in parent.targets)
    for node in tree.nodes(cst.Subscript):
        name = dotted(node.value) if isinstance(node, cst.Subscript) else ""
        if name and (name in held or (name == "self" and tree.inside(node, made))):
            return True
    return False
