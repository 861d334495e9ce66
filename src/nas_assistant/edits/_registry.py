"""The edit operations by name: those of this package, and plug-ins."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._edit import Edit, EditError
from nas_assistant.edits._growth import Growth
from nas_assistant.errors import FailureKind, UserError
from nas_assistant.graphs import ComputationalGraph

GROUP = "nas_assistant.edits"
"""Entry-point group in which other packages offer edit operations."""


def collect(classes: Iterable[type[BaseEditOperation]]) -> dict[str, BaseEditOperation]:
    """Instances by name.

    Raises:
        ValueError: Two operations have one name.
    """
    found: dict[str, BaseEditOperation] = {}
    for operation in classes:
        if operation.name in found:
            raise ValueError(f"two edit operations are called {operation.name!r}")
        found[operation.name] = operation()
    return dict(sorted(found.items()))


def own_operations() -> list[type[BaseEditOperation]]:
    """Every operation of ``edits/operations``: one for each module there."""
    package = importlib.import_module("nas_assistant.edits.operations")
    classes: list[type[BaseEditOperation]] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        classes.extend(
            item
            for item in vars(loaded).values()
            if inspect.isclass(item)
            and issubclass(item, BaseEditOperation)
            and not inspect.isabstract(item)
            and item.__module__ == loaded.__name__
        )
    return classes


@cache
def operations() -> Mapping[str, BaseEditOperation]:
    """Every operation, plug-ins included.

    Raises:
        UserError: A plug-in cannot be loaded, or takes a name that is taken.
    """
    found = collect(own_operations())
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        operation = _loaded(point)
        if operation.name in found:
            raise UserError(
                f"two edit operations are called {operation.name!r}: uninstall the plug-in {point.value}"
            )
        found[operation.name] = operation
    return MappingProxyType(dict(sorted(found.items())))


def _loaded(point: EntryPoint) -> BaseEditOperation:
    try:
        found = point.load()
        if isinstance(found, type) and issubclass(found, BaseEditOperation):
            return found()
    except Exception as error:  # a plug-in may fail in any way
        raise UserError(
            f"the edit operation {point.name!r} ({point.value}) cannot be loaded: {error}"
        ) from error
    raise UserError(f"the edit operation {point.name!r} ({point.value}) is not a BaseEditOperation")


def list_operations() -> list[str]:
    """Names of the edit operations, plug-ins included."""
    return list(operations())


def get_operation(name: str) -> BaseEditOperation:
    """An operation by name.

    Raises:
        EditError: There is none of that name (``parse``).
    """
    found = operations().get(name)
    if found is None:
        raise EditError(
            FailureKind.PARSE, f"no edit operation {name!r}: choose one of {', '.join(operations())}"
        )
    return found


def operation_of(edit: Edit) -> BaseEditOperation | None:
    """The operation of an edit, or None for one of a record whose plug-in is gone."""
    return operations().get(edit.operation)


def growth(graph: ComputationalGraph, change: Change) -> Growth:
    """What a legal change adds to a network at most, as its operation estimates it."""
    return get_operation(change.edit.operation).growth(graph, change)
