"""Generators by name: those of this package, and plug-ins."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nas_assistant.errors import UserError
from nas_assistant.generators._base import BaseGenerator

GROUP = "nas_assistant.generators"
"""Entry-point group in which other packages offer generators."""

_OWN = {
    "infill": "nas_assistant.generators.infill:InfillGenerator",
    "llama_cpp": "nas_assistant.generators.llama_cpp:LlamaCppGenerator",
    "mutate": "nas_assistant.generators._mutate:MutateGenerator",
    "openai": "nas_assistant.generators._openai:OpenAIGenerator",
}


class GeneratorRegistry:
    """Classes of generators by name.

    Args:
        own: Names and where their classes are, as ``module:class``; loaded when asked for.
    """

    def __init__(self, own: dict[str, str] | None = None) -> None:
        self._places = dict(own or {})
        self._classes: dict[str, type[BaseGenerator]] = {}

    def register(self, generator: type[BaseGenerator]) -> type[BaseGenerator]:
        """Add a class under its ``name``; usable as a decorator.

        Raises:
            ValueError: The name is taken.
        """
        if generator.name in self._places or generator.name in self._classes:
            raise ValueError(f"a generator called {generator.name!r} is registered already")
        self._classes[generator.name] = generator
        return generator

    def names(self) -> list[str]:
        """Names of all generators, plug-ins included."""
        return sorted({*self._places, *self._classes, *(point.name for point in _plugins())})

    def load(self, name: str) -> type[BaseGenerator]:
        """The class of a generator.

        Raises:
            UserError: There is none of that name, or it cannot be loaded.
        """
        points = [point for point in _plugins() if point.name == name]
        if points and (name in self._classes or name in self._places):
            raise UserError(f"two generators are called {name!r}: uninstall the plug-in {points[0].value}")
        if name in self._classes:
            return self._classes[name]
        if name in self._places:
            module, _, attribute = self._places[name].partition(":")
            found: type[BaseGenerator] = getattr(importlib.import_module(module), attribute)
            return found
        if not points:
            raise UserError(f"no generator {name!r}: choose one of {', '.join(self.names())}")
        if len(points) > 1:
            packages = ", ".join(sorted(point.value for point in points))
            raise UserError(f"two plug-ins offer a generator {name!r} ({packages}): uninstall one")
        return _loaded(points[0])


def _plugins() -> Iterator[EntryPoint]:
    return (point for point in entry_points(group=GROUP))


def _loaded(point: EntryPoint) -> type[BaseGenerator]:
    try:
        found = point.load()
    except Exception as error:  # a plug-in may fail in any way
        raise UserError(f"the generator {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, BaseGenerator)):
        raise UserError(f"the generator {point.name!r} ({point.value}) is not a BaseGenerator")
    return found


_registry = GeneratorRegistry(_OWN)


def register(generator: type[BaseGenerator]) -> type[BaseGenerator]:
    """Add a generator class under its ``name``; usable as a decorator.

    Raises:
        ValueError: The name is taken.
    """
    return _registry.register(generator)


def list_generators() -> list[str]:
    """Names of the generators, plug-ins included."""
    return _registry.names()


def get_generator(name: str, **options: Any) -> BaseGenerator:
    """A generator by name.

    Args:
        name: One of :func:`list_generators`.
        **options: What its constructor takes.

    Raises:
        UserError: There is none of that name, or it does not take these options.
    """
    generator = _registry.load(name)
    unknown = sorted(options.keys() - options_of(name, options).keys())
    if unknown:
        told = ", ".join(f"--{option.replace('_', '-')}" for option in unknown)
        raise UserError(f"generator {name!r} takes no {told}: leave it out, or choose another one")
    try:
        return generator(**options)
    except TypeError as error:
        raise UserError(f"generator {name!r}: {error}") from error


def options_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a generator takes.

    Raises:
        UserError: There is none of that name.
    """
    takes = inspect.signature(_registry.load(name)).parameters
    if any(item.kind is item.VAR_KEYWORD for item in takes.values()):
        return dict(options)
    return {option: value for option, value in options.items() if option in takes}
