"""What a file imports, and how to name a framework's class in it."""

from __future__ import annotations

from functools import cached_property

import libcst as cst

from nas_assistant.edits._replace import LINE_LENGTH, Replacement
from nas_assistant.edits._source import SourceTree, dotted

_ROOMS = {"torch": ("torch.nn",), "keras": ("keras.layers", "tensorflow.keras.layers", "tf_keras.layers")}
_FUNCTIONAL = "torch.nn.functional"


class Imports:
    """Names that the top level of a file brings into scope.

    Args:
        tree: The file.
        framework: ``torch`` or ``keras``.
    """

    def __init__(self, tree: SourceTree, framework: str) -> None:
        self._tree = tree
        self._rooms = _ROOMS["torch" if framework == "torch" else "keras"]
        self.names: dict[str, str] = {}
        self.stars: set[str] = set()
        self._last: cst.SimpleStatementLine | None = None
        self._lists: list[cst.ImportFrom] = []
        for statement in tree.module.body:
            if isinstance(statement, cst.SimpleStatementLine):
                for part in statement.body:
                    self._read(part, statement)

    def _read(self, part: cst.BaseSmallStatement, statement: cst.SimpleStatementLine) -> None:
        if isinstance(part, cst.Import):
            self._last = statement
            for item in part.names:
                name = dotted(item.name)
                if item.asname is not None:
                    self.names[dotted(item.asname.name)] = name
                else:
                    root = name.partition(".")[0]
                    self.names[root] = root
        elif isinstance(part, cst.ImportFrom):
            self._last = statement
            module = "." * len(part.relative) + (dotted(part.module) if part.module is not None else "")
            if isinstance(part.names, cst.ImportStar):
                self.stars.add(module)
                return
            if module in self._rooms:
                self._lists.append(part)
            for item in part.names:
                name = dotted(item.name)
                local = dotted(item.asname.name) if item.asname else name
                self.names[local] = f"{module}.{name}"

    @cached_property
    def defined(self) -> frozenset[str]:
        """Names of the functions and classes that the file defines."""
        found = self._tree.nodes(cst.FunctionDef, cst.ClassDef)
        return frozenset(node.name.value for node in found)  # type: ignore[attr-defined]

    def full(self, name: str) -> str:
        """The dotted name with its alias resolved."""
        root, dot, rest = name.partition(".")
        return self.names.get(root, root) + dot + rest

    def name(self, kind: str) -> tuple[str, tuple[Replacement, ...]]:
        """How to name a layer class here, and the import that this needs."""
        for local, full in self.names.items():
            if full in self._rooms:
                return f"{local}.{kind}", ()
        if kind not in self.defined:
            for local, full in self.names.items():
                if full.rpartition(".")[0] in self._rooms and full.endswith(f".{kind}"):
                    return local, ()
            if self.stars & set(self._rooms):
                return kind, ()
            if self._lists and kind not in self.names:
                return kind, (self._listed(self._lists[-1], kind),)
        paths = [
            (local, room.removeprefix(full + "."))
            for local, full in self.names.items()
            for room in self._rooms
            if room.startswith(full + ".")
        ]
        if paths:
            local, path = min(paths, key=lambda item: item[1].count("."))
            return f"{local}.{path}.{kind}", ()
        return self._with_import(kind)

    def _listed(self, names: cst.ImportFrom, kind: str) -> Replacement:
        """What imports one more name in a statement like those of the file that do."""
        tree = self._tree
        assert not isinstance(names.names, cst.ImportStar) and names.module is not None
        start, end = tree.span(names.names[-1])
        indent = tree.indentation(start)
        line = tree.data[tree.line_start(end) : tree.line_end(end)].decode()
        if names.lpar and indent is not None:
            return Replacement(end, end, f",{tree.newline}{indent}{kind}")
        if names.lpar or len(line) + len(kind) + 2 <= LINE_LENGTH:
            return Replacement(end, end, f", {kind}")
        at = tree.line_end(tree.span(names)[1])
        return Replacement(at, at, f"{tree.newline}from {dotted(names.module)} import {kind}")

    def functional(self, function: str) -> tuple[str, tuple[Replacement, ...]]:
        """How to name a function of ``torch.nn.functional`` here, and the import that this needs."""
        for local, full in self.names.items():
            if full == _FUNCTIONAL:
                return f"{local}.{function}", ()
        for local, full in self.names.items():
            if _FUNCTIONAL.startswith(full + "."):
                return f"{local}{_FUNCTIONAL[len(full) :]}.{function}", ()
        name, imports = self.import_line("import torch.nn.functional as F", f"F.{function}")
        return name, imports

    def _with_import(self, kind: str) -> tuple[str, tuple[Replacement, ...]]:
        if self._rooms == _ROOMS["torch"]:
            return self.import_line("from torch import nn", f"nn.{kind}")
        return self.import_line(f"from {self.package} import layers", f"layers.{kind}")

    @cached_property
    def package(self) -> str:
        """The package of the framework's layers, as the file spells it: ``tensorflow.keras`` or another."""
        imported = (*self.names.values(), *sorted(self.stars))
        rooms = [room for full in imported for room in self._rooms if f"{full}.".startswith(f"{room}.")]
        return (*rooms, self._rooms[0])[0].rpartition(".")[0]

    def import_line(self, line: str, name: str) -> tuple[str, tuple[Replacement, ...]]:
        """A name, and the line that imports it behind the imports of the top level."""
        tree = self._tree
        if self._last is None:
            return name, (Replacement(0, 0, line + tree.newline),)
        at = tree.line_end(tree.span(self._last)[1])
        return name, (Replacement(at, at, tree.newline + line),)
