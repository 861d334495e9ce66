"""The proxies by name: one module of this package each, and plug-ins."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from nas_assistant.errors import UserError
from nas_assistant.proxies._base import BaseProxy

GROUP = "nas_assistant.proxies"
"""Entry-point group in which other packages offer proxies."""

_PACKAGE = "nas_assistant.proxies"
_NOT_PROXIES = ("conformance",)


def _own() -> list[str]:
    package = importlib.import_module(_PACKAGE)
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if not name.startswith("_") and name not in _NOT_PROXIES)


def _plugins() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def list_proxies() -> list[str]:
    """Names of all proxies, plug-ins included."""
    return sorted({*_own(), *_plugins()})


def get_proxy(name: str) -> BaseProxy:
    """A proxy by name; only its own module is loaded.

    Raises:
        UserError: There is none, two have the name, or a plug-in cannot be loaded.
    """
    points = _plugins().get(name, [])
    own = name in _own()
    if len(points) + own > 1:
        packages = ", ".join(sorted(point.value for point in points))
        raise UserError(f"several proxies are called {name!r}: uninstall a plug-in of {packages}")
    if own:
        module = importlib.import_module(f"{_PACKAGE}.{name}")
        classes = [
            item for item in vars(module).values() if inspect.isclass(item) and issubclass(item, BaseProxy)
        ]
        for item in classes:
            if item.__module__ == module.__name__ and getattr(item, "name", None) == name:
                return item()
        raise UserError(f"{module.__file__}: it needs a subclass of BaseProxy with name = {name!r}")
    if not points:
        raise UserError(f"no proxy named {name!r}: choose from {', '.join(list_proxies())}")
    return _loaded(points[0])


def _loaded(point: Any) -> BaseProxy:
    try:
        found = point.load()
        proxy = found() if inspect.isclass(found) else found
    except Exception as error:  # a plug-in may fail in any way
        raise UserError(f"the proxy {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(proxy, BaseProxy):
        raise UserError(f"the proxy {point.name!r} ({point.value}) is not a BaseProxy")
    if (own := getattr(proxy, "name", None)) != point.name:
        message = f"calls itself {own!r}: give the entry point and the class one name"
        raise UserError(f"the proxy {point.name!r} ({point.value}) {message}")
    return proxy
