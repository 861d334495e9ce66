"""The edit operations by name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from nas_assistant.edits._base import BaseEditOperation
from nas_assistant.edits._edit import EditError
from nas_assistant.errors import FailureKind


def collect(classes: list[type[BaseEditOperation]]) -> dict[str, BaseEditOperation]:
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


@cache
def operations() -> Mapping[str, BaseEditOperation]:
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
    return MappingProxyType(collect(classes))


def list_operations() -> list[str]:
    """Names of the edit operations."""
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
