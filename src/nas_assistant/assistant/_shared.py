"""Which other models of the user's file change along, as they are built of the same code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from nas_assistant.graphs import ComputationalGraph
from nas_assistant.sources import Names, find_entries, parse_entry, parse_source

_MOST_NAMED = 3


def shared_notes(
    before: str, after: str, path: Path, entry: str, graph: ComputationalGraph
) -> tuple[str, ...]:
    """What to announce where a change reaches models that nobody asked for. Nothing is run.

    Args:
        before: The user's source.
        after: The better one.
        path: Where the file stands.
        entry: The model that was improved, as ``--entry`` takes it.
        graph: Its graph, as the user wrote it.
    """
    old, new = _definitions(before, path), _definitions(after, path)
    changed = {name for name, node in old.items() if name not in new or not _alike(node, new[name])}
    if not changed:
        return ()
    own = parse_entry(entry).name
    parts = _parts(own, old, graph, path)
    others = []
    for one in find_entries(before, path):
        reached = _reached(one.name, old)
        # A factory or an instance that reaches the entry is another way to the same model.
        other = one.outermost and one.name not in parts and (one.kind == "class" or own not in reached)
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


def _parts(own: str, definitions: Mapping[str, ast.AST], graph: ComputationalGraph, path: Path) -> set[str]:
    """A model, and what it is made of: what its code names or runs, but the classes that it extends."""
    reached = {name: definitions[name] for name in _reached(own, definitions)}
    extended = {
        part.id
        for node in reached.values()
        for base in getattr(node, "bases", ())
        for part in ast.walk(base)
        if isinstance(part, ast.Name)
    }
    places = {place for node in graph for place in (node.created, node.call) if place is not None}
    lines = {place.line for place in places if Path(place.file).resolve() == path.resolve()}
    run = {
        name
        for name, node in definitions.items()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        and lines.intersection(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    }
    return {own} | (reached.keys() | run) - extended


def _reached(name: str, definitions: Mapping[str, ast.AST]) -> set[str]:
    """A definition and all that it is made of."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        if (here := waiting.pop()) in definitions and here not in found:
            found.add(here)
            waiting += [part.id for part in ast.walk(definitions[here]) if isinstance(part, ast.Name)]
    return found
