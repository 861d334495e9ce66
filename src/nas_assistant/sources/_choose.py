"""Chooses the model of a file that is meant, by rule or by ``--entry``."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.sources._entries import Entry, find_entries, framework_of
from nas_assistant.sources._flow import loaded
from nas_assistant.sources._literals import Literals
from nas_assistant.sources._names import Names, statements
from nas_assistant.sources._source import expression_tree, parse_source, read_source

_EXAMPLES = (
    ("in_shape", "(1, 3, 32, 32)"),
    ("input_shape", "(3, 32, 32)"),
    ("out_shape", "(10,)"),
    ("prm", "{'lr': 0.01, 'momentum': 0.9, 'dropout': 0.2}"),
    ("device", "'cpu'"),
    ("image_size", "32"),
    ("img_size", "32"),
    ("patch_size", "4"),
    ("kernel_size", "3"),
    ("stride", "1"),
    ("dropout", "0.1"),
    ("width", "32"),
    ("dim", "64"),
    ("embed_dim", "64"),
    ("hidden_dim", "64"),
    ("hidden_size", "64"),
    ("depth", "2"),
    ("num_layers", "2"),
    ("vocab_size", "1000"),
)
_KERAS_EXAMPLES = {"in_shape": "(32, 32, 3)", "input_shape": "(32, 32, 3)"}
_MAX_EXAMPLE = 200
ADD_A_FUNCTION = "add a function without arguments that returns the model, and name it with --entry"

# What is called a block is none of several models; alone in its file it is one. Behind Conv, Norm or Pool
# only words of parts may stand: ConvBNReLU and LayerNorm2d are parts, ConvNet and PoolFormer are networks.
_BLOCK_NAME = re.compile(
    r"(block|layer|module|head|unit|cell|stem|neck|attention|activation|loss|wrapper"
    r"|(conv(olution)?|norm(ali[sz]ation)?|pool(ing)?)"
    r"(_|\dd?|x\d|[bgil]n|norm|act|relu|silu|gelu|swish|same|pad(ding)?|pool|conv|transpose|drop(out)?)*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class EntryCall:
    """An ``--entry`` that was read: a name, or a call with literal arguments.

    Attributes:
        name: The name in the module.
        arguments: Positional arguments.
        keywords: Keyword arguments.
        called: Whether parentheses were written.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    called: bool = False


def parse_entry(text: str) -> EntryCall:
    """Read ``"Net"`` or ``"Net(10, width=2)"``. Arguments are literals; nothing is evaluated.

    Raises:
        UserError: It is neither.
    """
    fault = ""
    try:
        node = expression_tree(text.strip())
        if isinstance(node, ast.Name):
            return EntryCall(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if any(word.arg is None for word in node.keywords):
                raise ValueError("** is not a literal")
            arguments = tuple(ast.literal_eval(value) for value in node.args)
            keywords = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
            return EntryCall(node.func.id, arguments, keywords, called=True)
    except SyntaxError as error:
        fault = f"{error.msg}: " if error.msg != "invalid syntax" else ""
    except (ValueError, TypeError, RecursionError, MemoryError):
        pass
    remedy = "give a name or a call with literal arguments, such as Net or 'Net(10, width=2)'"
    raise UserError(f"--entry {text!r}: {fault}{remedy}")


def choose_entry(source: str, path: str | Path, entries: Sequence[Entry], text: str | None) -> Entry:
    """The entry that is meant.

    Args:
        source: Text of the file.
        path: Its name, for messages.
        entries: What :func:`find_entries` found.
        text: ``--entry`` as the user wrote it, or None for the only one that fits.

    Raises:
        ModelError: None or several fit, or the one that does needs arguments.
    """
    if text is not None:
        return _named(source, path, entries, parse_entry(text))
    outer = _meant(source, path, entries)
    if len(outer) > 1:
        held = f"{Path(path).name} holds {len(outer)} models: {listed(outer)}"
        raise _error(f"{held}; choose one with --entry NAME", None)
    if not outer:
        raise _no_model(source, path)
    if outer[0].required_arguments:
        raise _needs_arguments(source, path, outer[0])
    return outer[0]


def choice_note(source: str, path: str | Path, entries: Sequence[Entry]) -> str | None:
    """What to announce where :func:`choose_entry` left other models out that only look like parts."""
    meant, outer = _meant(source, path, entries), _outermost(entries)
    others = [entry for entry in outer if entry not in meant]
    if len(meant) != 1 or not others or _built_by_main(source, path, outer):
        return None
    return f"model {meant[0].name}, as the others look like parts; set --entry for another: {listed(others)}"


def listed(entries: Sequence[Entry]) -> str:
    """Names of entries with the arguments that they need, and their lines."""
    return ", ".join(f"{entry.name}{_arguments(entry)} (line {entry.line})" for entry in entries)


def _arguments(entry: Entry) -> str:
    return f"({', '.join(entry.required_arguments)})" if entry.required_arguments else ""


def _outermost(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.outermost] or list(entries)


def _meant(source: str, path: str | Path, entries: Sequence[Entry]) -> list[Entry]:
    """The model that the file's own main builds, or those that neither names nor uses show to be parts."""
    outer = _outermost(entries)
    if len(outer) < 2:
        return outer
    plain = [entry for entry in outer if not _BLOCK_NAME.search(entry.name)] or outer
    built = _built_by_main(source, path, outer) or _built_by_main(source, path, plain)
    return built or _without_used(parse_source(source, path), plain)


def _without_used(tree: ast.Module, entries: list[Entry]) -> list[Entry]:
    """Without what needs arguments and the file itself uses, where another needs none and is not used."""
    named, registered = _uses(tree)
    if all(entry.required_arguments or entry.name in named for entry in entries):
        return entries
    return [
        entry for entry in entries if not entry.required_arguments or entry.name not in named | registered
    ]


def _uses(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names in a module's values and in functions that return one, and classes that it hands to decorators.

    A function that returns nothing may well try the model itself.
    """
    named, registered = set[str](), set[str]()
    own = Names(tree)
    decorators = {*own.functions, *own.classes, *own.assigned}
    for node in statements(tree.body):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value:
            named |= {*loaded([node.value])}
        elif isinstance(node, ast.FunctionDef):
            returns = any(isinstance(part, ast.Return) and part.value for part in ast.walk(node))
            named |= {*loaded(node.body)} if returns else set()
        elif isinstance(node, ast.ClassDef) and decorators & {*loaded(node.decorator_list)}:
            registered.add(node.name)
    return named, registered


def _built_by_main(source: str, path: str | Path, entries: Sequence[Entry]) -> list[Entry]:
    """The one entry that the file builds when it is run as a program, or none."""
    tree = parse_source(source, path)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    called: set[str] = set()
    waiting: list[ast.AST] = [
        node for node in tree.body if isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
    ]
    while waiting:
        for part in ast.walk(waiting.pop()):
            name = part.func.id if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) else None
            if name and name not in called:
                called.add(name)
                if name in functions and all(name != entry.name for entry in entries):
                    waiting.append(functions[name])
    built = [entry for entry in entries if entry.name in called]
    return built if len(built) == 1 else []


def _no_model(source: str, path: str | Path) -> ModelError:
    folder = Path(path).resolve().parent
    for _, _, other in Names(parse_source(source, path), folder).siblings():
        with contextlib.suppress(UserError):
            if any(entry.outermost for entry in find_entries(read_source(other), other)):
                shown = other.relative_to(folder) if other.is_relative_to(folder) else other
                message = (
                    f"{Path(path).name}: no model found: it imports from {shown}, which has one: name that"
                )
                return _error(message, None)
    message = "needs an nn.Module or keras.Model class or instance, or a function that returns one"
    return _error(f"{Path(path).name}: no model found: {message}", None)


def _named(source: str, path: str | Path, entries: Sequence[Entry], call: EntryCall) -> Entry:
    found = [entry for entry in entries if entry.name == call.name]
    if not found:
        names = Names(parse_source(source, path))
        if call.name not in {*names.origins, *names.classes, *names.functions, *names.assigned, *names.stars}:
            known = listed(entries) or "none"
            raise _error(f"{Path(path).name} has no {call.name!r} for --entry; its models: {known}", None)
        framework = framework_of(source, path) or "torch"
        kind = "instance" if call.name in names.assigned else "function"
        line = names.assigned[call.name][1] if call.name in names.assigned else 1
        return Entry(call.name, kind, line, (), framework)  # type: ignore[arg-type]
    entry = found[-1]
    if entry.required_arguments and not call.called:
        raise _needs_arguments(source, path, entry)
    return entry


def _needs_arguments(source: str, path: str | Path, entry: Entry) -> ModelError:
    names = ", ".join(entry.required_arguments)
    example = _own_call(source, path, entry) or _example_call(entry)
    remedy = f'give them with --entry, for example --entry "{example}"' if example else ADD_A_FUNCTION
    place = f"{Path(path).name}:{entry.line}"
    return _error(f"{place}: {entry.name} needs arguments: {names}; {remedy}", entry.line)


def _own_call(source: str, path: str | Path, entry: Entry) -> str | None:
    """The first call of an entry in its own file that ``--entry`` can repeat, with the file's constants."""
    tree = parse_source(source, path)
    literals = Literals(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry.name:
            text = ast.unparse(literals.of(node))
            try:
                call = parse_entry(text)
            except UserError:
                continue
            enough = len(call.arguments) + len(call.keywords) >= len(entry.required_arguments)
            if enough and '"' not in text and len(text) <= _MAX_EXAMPLE:
                return text
    return None


def _example_call(entry: Entry) -> str | None:
    """A call with likely values, or None where the name of an argument tells nothing of it."""
    values = []
    for name in entry.required_arguments:
        value = _example(name, entry.framework)
        if value is None:
            return None
        values.append(f"{name}={value}" if name in entry.keyword_only else value)
    return f"{entry.name}({', '.join(values)})"


def _example(argument: str, framework: str) -> str | None:
    exact = dict(_EXAMPLES) | (_KERAS_EXAMPLES if framework == "keras" else {})
    if argument in exact:
        return exact[argument]
    lower = argument.lower()
    if "class" in lower or {"out", "output", "outputs"} & {*lower.split("_")}:
        return "10"
    if lower.startswith("in_") or "channel" in lower:
        return "3"
    return None


def _error(message: str, line: int | None) -> ModelError:
    return ModelError(Failure(FailureKind.IMPORT, message, line))
