"""The baselines by name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from nas_assistant.errors import UserError
from nas_assistant.evaluation.baselines._base import BaseBaseline

_PACKAGE = "nas_assistant.evaluation.baselines"


def list_baselines() -> list[str]:
    """Names of all baselines: the modules of ``evaluation/baselines``."""
    package = importlib.import_module(_PACKAGE)
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def get_baseline(name: str) -> BaseBaseline:
    """A baseline by name, not fitted; only its own module is loaded.

    Raises:
        UserError: There is none; the message lists those there are.
    """
    if name not in list_baselines():
        raise UserError(f"no baseline named {name!r}: choose from {', '.join(list_baselines())}")
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    (found,) = (
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, BaseBaseline) and item.__module__ == module.__name__
    )
    return found()
