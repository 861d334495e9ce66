"""Finds the models of a file from its text, without running it."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nas_assistant.errors import UserError
from nas_assistant.sources._flow import Flow, loaded, own_nodes, returned
from nas_assistant.sources._names import Names
from nas_assistant.sources._parameters import keyword_only, required_arguments
from nas_assistant.sources._source import expression_tree, parse_source, read_source

Kind = Literal["class", "instance", "function"]

_FACTORY_NAME = re.compile(r"^(build|make|create|get|define|construct)_?\w*(model|net|cnn|classifier)")
_UNWRAPPED = {"to", "cuda", "cpu", "eval", "train", "float", "double", "half", "requires_grad_"}
_WRAPPERS = {"torch.compile", "torch.nn.DataParallel", "torch.jit.script"}
_NO_LIBRARY = {"torch", "keras", "tensorflow", "tf_keras", "typing_extensions", "numpy", "sklearn", "gym",
               "gymnasium", "pydantic", *sys.stdlib_module_names}  # fmt: skip
_ADDING = {"add", "add_module", "append"}
_MAX_SIBLINGS = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a file that gives a model.

    Attributes:
        name: Its name in the module.
        kind: ``class``, ``instance`` or ``function`` (that returns a model).
        line: Where it is defined, 1-based.
        required_arguments: Names of the arguments without a default.
        framework: ``torch`` or ``keras``.
        outermost: Whether it is a model of its own, not a building block of another or another way to the
            same model.
        keyword_only: Names of the arguments that can be given by keyword alone.
    """

    name: str
    kind: Kind
    line: int
    required_arguments: tuple[str, ...]
    framework: str
    outermost: bool = True
    keyword_only: tuple[str, ...] = ()


def find_entries(source: str, path: str | Path) -> list[Entry]:
    """The models of a file, outermost ones first, each group by line. Nothing is executed.

    Args:
        source: Text of the file.
        path: Where it stands: siblings that it imports from are read too.

    Raises:
        ModelError: Of kind ``parse``: the text is not valid Python.
    """
    path = Path(path)
    module = _Module(Names(parse_source(source, path), path.resolve().parent))
    entries = module.entries()
    return sorted(entries, key=lambda entry: (not entry.outermost, entry.line))


def framework_of(source: str, path: str | Path) -> str | None:
    """The framework that a file imports, itself or through a sibling, or None."""
    path = Path(path)
    return _Module(Names(parse_source(source, path), path.resolve().parent)).framework()


class _Module:
    """Models of one module and how they use each other."""

    def __init__(self, names: Names, known: dict[Path, _Module | None] | None = None) -> None:
        self.names = names
        self._known = {} if known is None else known  # by file; None while it is being read
        self.foreign: dict[str, tuple[Kind, str]] = {}
        self._imported: list[str] = []
        self._plain: set[str] = set()  # classes of siblings of which all bases are known
        self._read_siblings()
        self.classes = self._model_classes()
        self.functions = self._model_functions()
        self.instances = self._model_instances()
        self._flow = Flow(names.tree)

    def framework(self) -> str | None:
        own = self.names.frameworks()
        if len(own) == 1:
            return own[0]
        used = {*self.classes.values(), *self.functions.values(), *self.instances.values()}
        if len(used) == 1:
            return used.pop()
        return next(iter((*own, *self._imported)), None)

    def entries(self) -> list[Entry]:
        blocks = self._building_blocks()
        result = [self._class_entry(name, value, name not in blocks) for name, value in self.classes.items()]
        for name, value in self.functions.items():
            function = self.names.functions[name]
            needed, keywords = required_arguments(function.args, bound=False), keyword_only(function.args)
            result.append(
                Entry(name, "function", function.lineno, needed, value, name not in blocks, keywords)
            )
        for name, value in self.instances.items():
            line = self.names.assigned[name][1]
            result.append(Entry(name, "instance", line, (), value, name not in blocks))
        return _without_doubles(result, self)

    def makes(self, name: str) -> set[str]:
        """Local names that a function refers to, or that an instance is computed from."""
        if name in self.names.functions:
            return set(loaded(self.names.functions[name].body))
        if name in self.instances:
            return self._flow.behind(self.names.assigned[name][0])
        return set()

    def _read_siblings(self) -> None:
        for local, inner, path in self.names.siblings():
            other = self._sibling(path)
            if other is None:
                continue
            self._imported += other.names.frameworks() or other._imported
            plain = {name for name in other.names.classes if not other._is_open(name)}
            self._plain |= {local} if inner in plain else {f"{local}.{name}" for name in plain}
            known: dict[str, tuple[Kind, str]] = dict(other.foreign)
            known |= {name: ("class", value) for name, value in other.classes.items()}
            known |= {name: ("function", value) for name, value in other.functions.items()}
            known |= {name: ("instance", value) for name, value in other.instances.items()}
            if local == "*":
                self.foreign |= known
            elif inner in known:
                self.foreign[local] = known[inner]
            elif inner is None:
                self.foreign |= {f"{local}.{name}": value for name, value in known.items()}

    def _sibling(self, path: Path) -> _Module | None:
        if path not in self._known and len(self._known) < _MAX_SIBLINGS:
            self._known[path] = None
            with contextlib.suppress(UserError):
                tree = parse_source(read_source(path), path)
                self._known[path] = _Module(Names(tree, path.parent), self._known)
        return self._known.get(path)

    def _model_classes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        grew = True
        while grew:
            grew = False
            for name, node in self.names.classes.items():
                described = "torch.jit.interface" in map(self.names.origin, node.decorator_list)
                for base in () if name in found or described else node.bases:
                    if framework := self._class_framework(base, found):
                        found[name] = framework
                        grew = True
                        break
        if "torch" in (*self.names.frameworks(), *self._imported):
            for name in self.names.classes:
                if name not in found and self._is_open(name) and self._runs_forward(name):
                    found[name] = "torch"
        return found

    def _family(self, name: str) -> list[ast.ClassDef]:
        """A class and those of the file that it comes of, itself first."""
        family = [self.names.classes[name]]
        for node in family:
            parents = (self.names.classes.get(base.id) for base in node.bases if isinstance(base, ast.Name))
            family += [parent for parent in parents if parent is not None and parent not in family]
        return family

    def _is_open(self, name: str) -> bool:
        """Whether a class comes of one of a library, which may be a module."""
        return any(self._is_elsewhere(base) for node in self._family(name) for base in node.bases)

    def _is_elsewhere(self, base: ast.expr) -> bool:
        origin = self.names.origin(base)
        if origin is None or ast.unparse(base) in self._plain or origin.partition(".")[0] in _NO_LIBRARY:
            return False
        return any(f"{origin}.".startswith(f"{known}.") for known in self.names.origins.values())

    def _runs_forward(self, name: str) -> bool:
        parts = [part for node in self._family(name) for part in node.body]
        forward = [part for part in parts if isinstance(part, ast.FunctionDef) and part.name == "forward"]
        # Where it is static, as of an autograd function, it is no module's.
        return any("staticmethod" not in map(ast.unparse, part.decorator_list) for part in forward)

    def _class_framework(self, node: ast.expr, found: dict[str, str]) -> str | None:
        if isinstance(node, ast.Name) and node.id in found:
            return found[node.id]
        dotted = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if dotted in self.foreign and self.foreign[dotted][0] == "class":
            return self.foreign[dotted][1]
        return self.names.library_framework(self.names.origin(node))

    def _model_functions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self.functions = found
        grew = True
        while grew:
            grew = False
            for name, node in self.names.functions.items():
                if name not in found and (framework := self._returned_framework(node)):
                    found[name] = framework
                    grew = True
        return found

    def _returned_framework(self, node: ast.FunctionDef) -> str | None:
        values = returned(node)
        if not values:
            return None
        for value in values:
            if framework := self._value_framework(value):
                return framework
        if node.returns is not None:
            annotation = node.returns
            if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
                annotation = _parsed(annotation.value)
            if framework := self._class_framework(annotation, self.classes):
                return framework
        own = self.names.frameworks()
        return own[0] if own and _FACTORY_NAME.match(node.name) else None

    def _value_framework(self, value: ast.expr) -> str | None:
        """The framework of the model that an expression gives, or None."""
        function = self._maker(value)
        if function is None:
            return None
        if isinstance(function, ast.Name) and function.id in self.functions:
            return self.functions[function.id]
        if framework := self._classmethod_framework(function):
            return framework
        dotted = ast.unparse(function)
        if dotted in self.foreign and self.foreign[dotted][0] != "instance":
            return self.foreign[dotted][1]
        return self._class_framework(function, self.classes)

    def _maker(self, value: ast.expr) -> ast.expr | None:
        """What is called to give a value, whatever wraps or moves that, or None."""
        while isinstance(value, ast.Call):
            function = value.func
            if isinstance(function, ast.Attribute) and function.attr in _UNWRAPPED:
                value = function.value
            elif self.names.origin(function) in _WRAPPERS and value.args:
                value = value.args[0]
            else:
                return function
        return None

    def _classmethod_framework(self, function: ast.expr) -> str | None:
        """The framework of the model that a class method such as ``Net.from_name`` gives, or None."""
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            return None
        for node in self._family(function.value.id) if function.value.id in self.classes else ():
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == function.attr:
                    makers = map(self._maker, returned(part))
                    gives = any(isinstance(maker, ast.Name) and maker.id == "cls" for maker in makers)
                    return self.classes[function.value.id] if gives else None
        return None

    def _model_instances(self) -> dict[str, str]:
        found = {}
        for name, (value, _) in self.names.assigned.items():
            if framework := self._value_framework(value):
                found[name] = framework
        return found

    def _class_entry(self, name: str, framework: str, outermost: bool) -> Entry:
        line = self.names.classes[name].lineno
        needed: tuple[str, ...] = ()
        keywords: tuple[str, ...] = ()
        for node in self._family(name):
            init = [
                part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"
            ]
            if init:
                needed = required_arguments(init[-1].args, bound=True)
                keywords = keyword_only(init[-1].args)
                break
        return Entry(name, "class", line, needed, framework, outermost, keywords)

    def _building_blocks(self) -> set[str]:
        """Names that another model of the file is built from."""
        blocks: set[str] = set()
        for name in self.classes:
            node = self.names.classes[name]
            blocks |= self._read_by(node.body) - {name}
            for base in node.bases:
                if isinstance(base, ast.Name) and self._is_abstract(base.id):
                    blocks.add(base.id)
            if name.startswith("_") or name.lower().endswith("loss"):
                blocks.add(name)
        for function in self.functions:
            blocks |= self._blocks_of_call(self.names.functions[function].body)
        for instance in self.instances:
            blocks |= self._blocks_of_call([self.names.assigned[instance][0]])
        blocks |= self._added_blocks()
        blocks |= {name for name in self.functions if name.startswith("_")}
        models = {*self.classes, *self.functions, *self.instances} - blocks
        looked_up = self._looked_up() & models
        return blocks if looked_up == models else blocks | looked_up

    def _read_by(self, body: Iterable[ast.AST]) -> set[str]:
        """Names that a class reads, itself or through helpers that are no models of their own."""
        found: set[str] = set()
        waiting = [*loaded(body)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                if name in self.names.functions and name not in self.functions:
                    waiting += loaded(self.names.functions[name].body)
        return found

    def _looked_up(self) -> set[str]:
        """What the classes may reach through a collection of the module, or by a string with its name."""
        used = self._read_by(self.names.classes[name] for name in self.classes)
        collections = (ast.Dict, ast.List, ast.Tuple)
        shelves = [value for name, (value, _) in self.names.assigned.items() if name in used]
        found = set(loaded(value for value in shelves if isinstance(value, collections)))
        if used & {"globals", "eval"}:
            # __all__ names what the module is for, not what it is made of.
            listed, _ = self.names.assigned.get("__all__", (None, 0))
            skipped = {id(part) for part in ast.walk(listed)} if listed else set()
            parts = (part for part in ast.walk(self.names.tree) if id(part) not in skipped)
            found |= {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}
        return found

    def _is_abstract(self, name: str) -> bool:
        if name not in self.classes:
            return False
        methods = {part.name for part in self.names.classes[name].body if isinstance(part, ast.FunctionDef)}
        plain = name.lower().startswith(("base", "abstract")) or name.lower().endswith("base")
        return plain or not methods & {"forward", "call", "__call__"}

    def _blocks_of_call(self, body: Iterable[ast.AST]) -> set[str]:
        """Models handed to another's call: ``ResNet(BasicBlock, [2, 2])``, ``Sequential([base, ...])``."""
        blocks: set[str] = set()
        for node in body:
            for part in ast.walk(node):
                if isinstance(part, ast.Call):
                    given = [*part.args, *(word.value for word in part.keywords)]
                    blocks |= set(loaded(given))
        return blocks & {*self.classes, *self.functions, *self.instances}

    def _added_blocks(self) -> set[str]:
        """Models that another is given once it is made: ``model.add(base)``, ``model.head = head``."""
        blocks: set[str] = set()
        for part in own_nodes(self.names.tree):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
                given = part.args if part.func.attr in _ADDING else []
                owner = part.func.value
            elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Attribute):
                owner, given = part.targets[0].value, [part.value]
            else:
                continue
            if isinstance(owner, ast.Name) and owner.id in self.instances:
                blocks |= set(loaded(given)) & self.instances.keys() - {owner.id}
        return blocks


def _without_doubles(entries: list[Entry], module: _Module) -> list[Entry]:
    """Mark as not outermost what another entry makes: the class of an instance, the class of a factory."""
    outer = {entry.name: entry for entry in entries if entry.outermost}
    hidden: set[str] = set()
    for entry in outer.values():
        if entry.kind == "instance":
            hidden |= _reached(entry.name, module) & outer.keys()
    for entry in outer.values():
        if entry.kind == "function" and entry.name not in hidden:
            made = (_reached(entry.name, module) & outer.keys()) - hidden
            # A class that can be built as it is says more than a factory that asks for arguments.
            if entry.required_arguments and any(not outer[name].required_arguments for name in made):
                hidden.add(entry.name)
            else:
                hidden |= made
    return [replace(e, outermost=e.outermost and e.name not in hidden) for e in entries]


def _reached(name: str, module: _Module) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = module.makes(waiting.pop()) - found - {name}
        found |= new
        waiting += new
    return found


def _parsed(text: str) -> ast.expr:
    try:
        return expression_tree(text)
    except (SyntaxError, ValueError):
        return ast.Constant(None)
