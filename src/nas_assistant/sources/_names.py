"""What the names of a module stand for, read from its text alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from nas_assistant.sources._roots import working_root

_GUARDS = ("__main__", "TYPE_CHECKING")
_SPELLINGS = (
    ("tensorflow.python.keras.", "keras."),
    ("tensorflow.keras.", "keras."),
    ("keras.models.", "keras."),
    ("keras.engine.", "keras."),
    ("keras.engine.sequential.", "keras."),
    ("torch.nn.modules.module.", "torch.nn."),
    ("torch.nn.modules.container.", "torch.nn."),
    ("torch.nn.modules.", "torch.nn."),
)
_MODEL_BASES = {
    "torch.nn.Module": "torch",
    "torch.nn.Sequential": "torch",
    "torch.jit.ScriptModule": "torch",
    "pytorch_lightning.LightningModule": "torch",
    "lightning.LightningModule": "torch",
    "lightning.pytorch.LightningModule": "torch",
    "keras.Model": "keras",
    "keras.Sequential": "keras",
    "keras.Functional": "keras",
}
_MODEL_MAKERS = {"torchvision.models.": "torch", "timm.create_model": "torch", "keras.applications.": "keras"}


class Names:
    """Names of one module: its imports and its top-level definitions.

    Args:
        tree: The module.
        folder: Where siblings that it imports from are looked for.
    """

    def __init__(self, tree: ast.Module, folder: Path | None = None) -> None:
        self.tree = tree
        self.folder = folder
        self.origins: dict[str, str] = {}
        self.stars: list[str] = []
        self.classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.assigned: dict[str, tuple[ast.expr, int]] = {}
        for node in statements(tree.body):
            self._note(node)

    def origin(self, node: ast.expr, via: frozenset[str] = frozenset()) -> str | None:
        """Full dotted name behind an expression such as ``nn.Module``, in one spelling.

        Args:
            node: The expression.
            via: Names that led to it, which another assignment of theirs does not lead back to.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        meant = self.assigned[node.id][0] if node.id in self.assigned and node.id not in via else None
        if node.id in self.origins:
            parts.append(self.origins[node.id])
        elif isinstance(meant, ast.Name | ast.Attribute) and (name := self.origin(meant, via | {node.id})):
            parts.append(name)
        elif parts or node.id in self.classes or node.id in self.functions or not self.stars:
            parts.append(node.id)
        else:
            for star in self.stars:
                name = _one_spelling(f"{star}.{node.id}")
                if name in _MODEL_BASES:
                    return name
            parts.append(node.id)
        return _one_spelling(".".join(reversed(parts)))

    def library_framework(self, origin: str | None) -> str | None:
        """The framework whose model class or model maker ``origin`` is, or None."""
        if origin is None:
            return None
        makers = (value for prefix, value in _MODEL_MAKERS.items() if origin.startswith(prefix))
        return _MODEL_BASES.get(origin) or next(makers, None)

    def frameworks(self) -> list[str]:
        """Frameworks that the module imports, in order."""
        found: dict[str, None] = {}
        for name in (*self.origins.values(), *self.stars):
            package = name.partition(".")[0]
            if package in ("torch", "torchvision", "timm", "lightning", "pytorch_lightning"):
                found["torch"] = None
            elif package in ("keras", "tensorflow", "tf_keras"):
                found["keras"] = None
        return list(found)

    def siblings(self) -> Iterator[tuple[str, str | None, Path]]:
        """Imports from files beside this one: (local name, name in the sibling or None, file)."""
        if self.folder is None:
            return
        root = working_root(self.folder / "__init__.py")
        folders = (self.folder, root) if root else (self.folder,)
        for local, origin in self.origins.items():
            module, _, name = origin.lstrip(".").rpartition(".")
            for dotted, inner in ((module, name), (origin.lstrip("."), None)):
                if dotted and (path := _module_file(folders, dotted)):
                    yield local, inner, path
                    break
        for star in self.stars:
            if path := _module_file(folders, star.lstrip(".")):
                yield "*", None, path

    def _note(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                self.origins[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(module)
                else:
                    joint = "" if module.endswith(".") else "."
                    self.origins[alias.asname or alias.name] = f"{module}{joint}{alias.name}"
        elif isinstance(node, ast.ClassDef):
            self.classes[node.name] = node
        elif isinstance(node, ast.FunctionDef):
            self.functions[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, node.lineno)
        elif isinstance(node, ast.AnnAssign) and node.value:
            self._assign(node.target, node.value, node.lineno)

    def _assign(self, target: ast.expr, value: ast.expr, line: int) -> None:
        if not isinstance(target, ast.Name):
            return
        used = (part.id for part in ast.walk(value) if isinstance(part, ast.Name))
        # ``net = DataParallel(net)`` is still what it was made of.
        if target.id not in self.assigned or target.id not in used:
            self.assigned[target.id] = (value, line)


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a module runs, those inside ``if``, ``try`` and ``with`` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            guarded = any(word in ast.dump(node.test) for word in _GUARDS)
            yield from statements(node.orelse if guarded else [*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [part for handler in node.handlers for part in handler.body]
            yield from statements([*node.body, *handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from statements(node.body)


def _one_spelling(name: str) -> str:
    if name.startswith("tf_keras."):
        name = name[3:]
    for long, short in _SPELLINGS:
        if name.startswith(long):
            name = short + name.removeprefix(long)
    return name


def _module_file(folders: Iterable[Path], dotted: str) -> Path | None:
    parts = dotted.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for base in (folder.joinpath(*parts) for folder in folders):
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None
