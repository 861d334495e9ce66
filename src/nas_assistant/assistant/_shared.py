"""Which other models of the user's file change along, as they are built of the same code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from nas_assistant.sources import find_entries, parse_entry, parse_source
from nas_assistant.sources._names import Names

_MOST_NAMED = 3


def shared_notes(before: str, after: str, path: Path, entry: str) -> tuple[str, ...]:
    """What to announce where a change reaches models that nobody asked for. Nothing is run.

    Args:
        before: The user's source.
        after: The better one.
        path: Where the file stands.
        entry: The model that was improved, as ``--entry`` takes it.
    """
    old, new = _definitions(before, path), _definitions(after, path)
    changed = {name for name, node in old.items() if name not in new or not _alike(node, new[name])}
    if not changed:
        return ()
    own = parse_entry(entry).name
    others = []
    for one in find_entries(before, path):
        reached = _reached(one.name, old)
        # A factory or an instance that reaches the entry is another way to the same model.
        other = one.outermost and one.name != own and (one.kind == "class" or own not in reached)
        if other and reached & changed:
            others.append(one.name)
    if not others:
        return ()
    told = others[:_MOST_NAMED]
    if left := len(others) - len(told):
        told.append(f"{left} other{'s' if left > 1 else ''}")
    listed = " and ".join((", ".join(told[:-1]), told[-1])) if len(told) > 1 else told[0]
    verb = "are" if len(others) > 1 else "is"
    return (f"this also changes {listed}, which {verb} built of the same code",)


def _definitions(source: str, path: Path) -> dict[str, ast.AST]:
    """The classes, functions and values of a module by name."""
    names = Names(parse_source(source, path))
    assigned = {name: value for name, (value, _) in names.assigned.items()}
    return {**assigned, **names.functions, **names.classes}


def _alike(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)


def _reached(name: str, definitions: Mapping[str, ast.AST]) -> set[str]:
    """A definition and all that it is made of."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        if (here := waiting.pop()) in definitions and here not in found:
            found.add(here)
            waiting += [part.id for part in ast.walk(definitions[here]) if isinstance(part, ast.Name)]
    return found
