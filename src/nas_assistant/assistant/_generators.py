"""The generators of a run."""

from __future__ import annotations

from collections.abc import Iterable

from nas_assistant.assistant._options import Options
from nas_assistant.errors import UserError
from nas_assistant.generators import BaseGenerator, Usage, get_generator, options_of

_FOR_ONE = ("model", "base_url")
"""Options that mean another thing to each generator."""


def make_generators(options: Options) -> list[BaseGenerator]:
    """The generators that the options name, each with those of its options that it takes.

    Raises:
        UserError: There is none of a name, one is named twice, or an option is for none of them, or for one
            alone and several take it.
    """
    names = [name.strip() for name in options.generator.split(",")]
    given = options.generator_options
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"--generator {options.generator}: names {twice!r} twice")
    taken = {name: options_of(name, given) if len(names) > 1 else given for name in names}
    lost = sorted(given.keys() - {option for found in taken.values() for option in found})
    if lost:
        told = ", ".join(f"--{option.replace('_', '-')}" for option in lost)
        raise UserError(f"no generator of {options.generator} takes {told}: leave it out, or choose others")
    for option in _FOR_ONE:
        takers = [name for name in names if option in taken[name]]
        if len(takers) > 1:
            raise UserError(
                f"--{option.replace('_', '-')}: {' and '.join(takers)} would share it: name one of them in "
                "--generator; from Python, give improve() the generators themselves"
            )
    made: list[BaseGenerator] = []
    try:
        for name in names:
            made.append(get_generator(name, **taken[name]))
    except BaseException:
        for one in made:
            one.close()
        raise
    return made


def total_usage(generators: Iterable[BaseGenerator]) -> Usage | None:
    """What a run cost so far, or None where nothing was asked that costs.

    Every generator that asks a language model counts what is in the log of the run, which they share, each at
    its own prices where the log has none: the cautious count holds.
    """
    found = [usage for usage in (generator.usage() for generator in generators) if usage is not None]
    return max(found, key=lambda usage: (usage.usd is None, usage.tokens, usage.usd or 0.0), default=None)
