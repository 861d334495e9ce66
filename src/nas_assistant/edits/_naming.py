"""Names of new Keras layers, in files that name theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from nas_assistant.edits._context import EditContext, LayerCall

_SUFFIXES = {
    "activation": "act", "conv": "conv", "dense": "dense", "dropout": "dropout", "norm": "norm",
    "separable": "conv",
}  # fmt: skip
_NAMED = frozenset({"conv", "dense", "depthwise", "norm", "separable"})
_CLASS = re.compile(r"(?:\w+\.)*(\w+)\(")
_STRING = re.compile(r"""(["'])(?:(?!\1).)*\1""")


def with_names(context: EditContext, layer: LayerCall, layers: Sequence[str]) -> list[str]:
    """Further layers, named after the one that they come behind where all around it have names.

    Args:
        context: The source.
        layer: What they come behind; ``name="stem"``, ``name=prefix + "project"`` and the like are followed.
        layers: The calls that construct them.
    """
    own = layer.arguments.get("name")
    if context.torch or own is None or not _all_have_names(context, layer):
        return list(layers)
    written = context.tree.code(own.value)
    strings = list(_STRING.finditer(written))
    roles = [_role(context, text) for text in layers]
    if not strings or None in roles:
        return list(layers)
    end, known, found = strings[-1].end() - 1, context.tree.text, []
    for text, role in zip(layers, roles, strict=True):
        number = 1
        while (name := f"{written[:end]}_{role}{number if number > 1 else ''}{written[end:]}") in known:
            number += 1
        known += name
        found.append(f"{text[:-1]}{'' if text.endswith('()') else ', '}name={name})")
    return found


def _all_have_names(context: EditContext, layer: LayerCall) -> bool:
    function = context.tree.enclosing(layer.call, cst.FunctionDef)
    beside = (
        found
        for found in context.layers
        if found.kind.role in _NAMED and context.tree.enclosing(found.call, cst.FunctionDef) is function
    )
    return all("name" in found.arguments for found in beside)


def _role(context: EditContext, text: str) -> str | None:
    match = _CLASS.match(text)
    kind = context.kinds.get(match[1]) if match else None
    return _SUFFIXES.get(kind.role) if kind is not None else None
