"""In the child: runs a user's file as a module and makes the object that an entry names."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import linecache
import os
import re
import sys
import sysconfig
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas_assistant.errors import Failure, FailureKind
from nas_assistant.sources._arguments import defined_line, misfit
from nas_assistant.sources._choose import ADD_A_FUNCTION, parse_entry
from nas_assistant.sources._source import syntax_tree

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_MAX_MESSAGE = 300
UNDER_MAIN = 'what does not build the model belongs under if __name__ == "__main__"'
_IMPORT_REMEDY = "install it beside nas-assistant, or move the model into a file that does not need it"
_FORBIDDEN = (
    "the sandbox allows no network, no processes, reading only beside the file "
    "and writing only in a scratch folder"
)
_DENIED = ("Operation not permitted", "Permission denied")
_SCRIPTED = re.compile(r"a ScriptModule|no attribute '(save|save_to_buffer|graph|code)'")
_NO_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "oom when allocating")


class JobFailure(Exception):
    """A failure to report as it is."""

    def __init__(self, kind: FailureKind, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message, line)


def load_module(path: Path, source: str) -> types.ModuleType:
    """Run a file's text as a module of its own name, never as ``__main__``, and without arguments.

    Files beside it can be imported, and by relative imports where it is part of a package.
    """
    root, package = _package(path, source)
    for folder in dict.fromkeys((str(root), str(path.parent))):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    sys.argv[:] = [str(path)]
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    code = compile(source, str(path), "exec", dont_inherit=True)
    full = f"{package}.{path.stem}" if package else path.stem
    inside = package if path.stem == "__init__" else full
    importable = "." not in path.stem
    if (
        importable
        and inside not in sys.modules
        and _is_free(package, root)
        and _imports_from(source, package)
    ):
        # The package's own __init__ runs first, and may import the model: it must get this text, not half of
        # a module.
        sys.meta_path.insert(0, _Given(inside, path, lambda module: _run(code, module, source)))
        return importlib.import_module(inside)
    if not path.stem.isidentifier() or full in sys.modules:
        full = f"nas_assistant_user_{re.sub(r'[^0-9a-zA-Z_]', '_', full)}"
    module = types.ModuleType(full)
    module.__file__ = str(path)
    module.__package__ = package or None
    sys.modules[full] = module
    _run(code, module, source)
    return module


def _package(path: Path, source: str) -> tuple[Path, str]:
    """The folder that a file is imported from, and its package: by ``__init__.py``, or as its imports say."""
    root, package = path.parent, ""
    while (root / "__init__.py").is_file() and root.parent != root and root.name.isidentifier():
        package = f"{root.name}.{package}" if package else root.name
        root = root.parent
    if package:
        return root, package
    for folder in (Path(folder) for folder in sys.path if folder):
        inner = path.parent.relative_to(folder).parts if path.is_relative_to(folder) else ()
        package = ".".join(inner)
        named = inner and package.replace(".", "_").isidentifier()
        if named and _is_free(package, folder) and _imports_from(source, package):
            return folder, package
    return root, ""


def _is_free(package: str, root: Path) -> bool:
    """Whether the name of a package can stand for its folder: nothing else, such as a library, has it."""
    top = package.partition(".")[0]
    return bool(top) and (
        top not in sys.modules or str(root / top) in list(getattr(sys.modules[top], "__path__", ()))
    )


def _imports_from(source: str, package: str) -> bool:
    """Whether a file's text imports from its own package, so that it only works as a part of it."""
    top = package.partition(".")[0]
    for node in ast.walk(syntax_tree(source)):
        if isinstance(node, ast.ImportFrom) and (node.level or str(node.module).partition(".")[0] == top):
            return True
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == top for alias in node.names):
            return True
    return False


class _Given(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, in a text that need not be that of its file."""

    def __init__(self, name: str, path: Path, run: Callable[[types.ModuleType], None]) -> None:
        self._name, self._path, self._execute = name, path, run

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        folders = [str(self._path.parent)] if self._path.stem == "__init__" else None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=self, submodule_search_locations=folders
        )

    def exec_module(self, module: types.ModuleType) -> None:
        self._execute(module)


class _Notebook:
    """Stands for IPython's shell in a file that was exported from a notebook: its magics do nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None


def _run(code: types.CodeType, module: types.ModuleType, source: str) -> None:
    # Not where a file merely asks whether it is a notebook.
    if re.search(r"get_ipython\(\)\s*\.\s*(run_|system|magic|getoutput)", source):
        module.__dict__["get_ipython"] = _Notebook
    exec(code, module.__dict__)


def make_object(module: types.ModuleType, entry: str) -> Any:
    """The object of an entry: an instance as it is, a class or a function called."""
    call, path = parse_entry(entry), Path(module.__file__ or "")
    try:
        value = getattr(module, call.name)
    except AttributeError:
        message = f"{path.name} defines no {call.name!r} when it is run"
        raise JobFailure(FailureKind.IMPORT, message) from None
    if not call.called and not isinstance(value, (type, types.FunctionType, functools.partial)):
        return value
    try:
        return value(*call.arguments, **call.keywords)
    except TypeError as error:
        wrong, line = misfit(value, call), defined_line(value, path)
        if wrong is None:
            passed = [name for name in call.keywords if f"argument '{name}'" in str(error)]
            if not passed:
                raise
            wrong = f"{call.name} passes on {passed[0]!r} of --entry: {one_line(error)}"
            line = user_line(error, path)
        place = f"{path.name}:{line}" if line else path.name
        remedy = "" if call.called else f"; {ADD_A_FUNCTION}"
        raise JobFailure(FailureKind.IMPORT, f"{place}: {wrong}{remedy}", line) from error


def one_line(error: BaseException) -> str:
    """The gist of an error's message."""
    lines = [line.strip() for line in _ANSI.sub("", str(error)).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")] or lines
    text = lines[0] if lines else ""
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 3].rsplit(" ", 1)[0] + "..."


def user_line(error: BaseException, path: Path) -> int | None:
    """The line of the deepest frame of an error that lies in the user's file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == str(path):
            found = line
    if found is None and error.__cause__ is not None:
        return user_line(error.__cause__, path)
    return found


def imported_place(error: BaseException, path: Path) -> str | None:
    """Where an error lies in another file of the user's that fails while it is imported, as ``net.py:6``."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if file == str(path):
            found = None
        elif _is_users(file) and (name == "<module>" or (found and file == found[0])):
            found = file, line
    return found and f"{Path(found[0]).name}:{found[1]}"


def _is_users(file: str) -> bool:
    ours = (sysconfig.get_path("stdlib"), Path(__file__).parents[1])
    return (
        file.endswith(".py")
        and not {"site-packages", "dist-packages"} & {*Path(file).parts}
        and not any(Path(file).is_relative_to(folder) for folder in ours)
    )


def describe(error: BaseException, path: Path, limit: str) -> Failure:
    """The typed failure for an exception that the user's code let out while its model was made."""
    if isinstance(error, JobFailure):
        return error.failure
    line = user_line(error, path)
    place = imported_place(error, path) or (f"{path.name}:{line}" if line else path.name)
    text, kind = f"{type(error).__name__}: {one_line(error)}".rstrip(": "), FailureKind.IMPORT
    if out_of_memory(error):
        return Failure(FailureKind.TIMEOUT, f"{place}: needs more memory than the limit of {limit}", line)
    if isinstance(error, ModuleNotFoundError):
        remedy = _import_remedy(error, path)
        text = f"imports {error.name}, which is neither installed nor beside the file; {remedy}"
    elif "relative import" in text and (put_back := _run_remedy(path)):
        text += f"; {put_back}"
    elif isinstance(error, SyntaxError):
        kind, text = FailureKind.PARSE, f"syntax error: {error.msg}"
        if error.filename and error.filename != str(path):
            place = f"{Path(error.filename).name}:{error.lineno}"
    elif isinstance(error, SystemExit):
        text = f"the file exits while its model is built (SystemExit); {UNDER_MAIN}"
    elif forbidden(error):
        text += f"; {_FORBIDDEN}"
    elif _of_environment(error):
        text += " (the sandbox hides environment variables)"
    elif "CUDA" in text:
        text += "; models are built without a GPU: choose the device by torch.cuda.is_available()"
    elif _SCRIPTED.search(text) and _while_imported(error, path):
        text += f"; torch.jit compiles nothing here, so that models can be read: {UNDER_MAIN}"
    if (isinstance(error, OSError) or forbidden(error)) and _while_imported(error, path):
        text += f"; {UNDER_MAIN}"
    return Failure(kind, f"{place}: {text}", line)


def _of_environment(error: BaseException) -> bool:
    """Whether ``os.environ`` lacked a name."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, KeyError) and frames[-1:] == [os.environ.__getitem__.__code__.co_filename]


def _import_remedy(error: ModuleNotFoundError, path: Path) -> str:
    if remedy := _run_remedy(path):
        return remedy
    inner = Path(*str(error.name).split("."))
    for folder in path.parents[1:]:
        if str(folder) not in sys.path and ((folder / inner).is_dir() or (folder / f"{inner}.py").is_file()):
            return f"start nas-assistant in {folder}, which has it"
    return _IMPORT_REMEDY


def _run_remedy(path: Path) -> str | None:
    """What to do with a file of a run's directory: its imports stand beside the model that it comes from."""
    try:
        model = json.loads((path.parent / "config.json").read_text())["model"]
        own = Path(model).suffix == ".py"  # others have a config.json too
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"copy it over {model} first, beside which its imports stand" if own else None


def _while_imported(error: BaseException, path: Path) -> bool:
    """Whether an error came while the user's file ran from top to bottom."""
    codes = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(code.co_filename == str(path) and code.co_name == "<module>" for code in codes)


def forbidden(error: BaseException) -> bool:
    """Whether an exception comes from something that the sandbox forbids."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        # The frameworks' own writers raise other errors than Python's.
        if isinstance(found, PermissionError) or any(words in str(found) for words in _DENIED):
            return True
        found = found.__cause__ or found.__context__
    return False


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY)
