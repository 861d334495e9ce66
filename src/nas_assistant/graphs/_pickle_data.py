"""Reads the data in a pickle without running it.

A pickle is a program for a stack machine, and one of its instructions calls any function there is. This
machine has the instructions that make data alone: a class is a name that is never imported, an object what it
was made of.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SKIPPED = frozenset({"PROTO", "FRAME"})
_ARGUMENT = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINBYTES", "SHORT_BINBYTES"),
    }
)
_FRESH: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a pickle, as the data that it was made of.

    Attributes:
        made_by: Its class, or the function that would have made it.
        arguments: What that was given.
        state: What was set on it afterwards, or None.
    """

    made_by: Name
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickle_data(content: bytes, allowed: Callable[[Name], bool], *, calls: bool = False) -> Any:
    """The data of a pickle: numbers, texts, lists, tuples, dictionaries, and objects as :class:`Instance`.

    Args:
        content: The pickle.
        allowed: Which names it may hold.
        calls: Whether objects may come from a function. It is not called in any case.

    Raises:
        ValueError: It holds anything else, or is damaged; the message is one line.
    """
    machine = _Machine(allowed, calls)
    try:
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name == "STOP":
                return machine.result()
            machine.run(instruction.name, argument)
    except RefusedError:
        raise
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise ValueError("it is damaged, or no pickle") from error
    raise ValueError("it is cut short")


class RefusedError(ValueError):
    """A pickle that holds more than data."""


class _Machine:
    def __init__(self, allowed: Callable[[Name], bool], calls: bool) -> None:
        self._allowed = allowed
        self._calls = calls
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, instruction: str, argument: Any) -> None:
        """Run one instruction.

        Raises:
            RefusedError: It is none of those that make data.
        """
        if instruction in _SKIPPED:
            return
        if instruction in _ARGUMENT:
            self._stack.append(argument)
        elif instruction in _FRESH:
            self._stack.append(_FRESH[instruction]())
        elif instruction in _TUPLES:
            self._stack.append(tuple(reversed([self._stack.pop() for _ in range(_TUPLES[instruction])])))
        elif instruction in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif instruction in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif instruction == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        else:
            handler = _HANDLERS.get(instruction)
            if handler is None:
                raise RefusedError(f"its instruction {instruction} is not one that only makes data")
            handler(self, argument)

    def result(self) -> Any:
        """What the program leaves."""
        if len(self._stack) != 1 or self._below:
            raise ValueError
        return self._stack[0]

    def mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def make_tuple(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def setitem(self, _: Any) -> None:
        value = self._stack.pop()
        self._update([self._stack.pop(), value])

    def setitems(self, _: Any) -> None:
        self._update(self._since_mark())

    def _update(self, items: list[Any]) -> None:
        target, keys = self._stack[-1], items[::2]
        if not isinstance(target, dict) or not all(isinstance(key, (str, int)) for key in keys):
            raise TypeError
        target.update(zip(keys, items[1::2], strict=True))

    def name_in_text(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def name_on_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        found = Name(module, name)
        if not self._allowed(found):
            raise RefusedError(f"it names {str(found)!r:.80}, which is none of the classes to read")
        self._stack.append(found)

    def newobj(self, _: Any) -> None:
        arguments, made_by = self._stack.pop(), self._stack.pop()
        if not isinstance(made_by, Name) or not isinstance(arguments, tuple):
            raise TypeError
        self._stack.append(Instance(made_by, arguments))

    def reduce(self, _: Any) -> None:
        if not self._calls:
            raise RefusedError("it calls a function")
        self.newobj(None)

    def build(self, _: Any) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Instance) or target.state is not None:
            raise TypeError
        target.state = state


_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.make_tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "GLOBAL": _Machine.name_in_text,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "NEWOBJ": _Machine.newobj,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
