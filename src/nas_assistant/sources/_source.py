"""Reading and parsing the text of a model file."""

from __future__ import annotations

import ast
import threading
import warnings
from pathlib import Path

from nas_assistant.errors import Failure, FailureKind, ModelError, UserError

MAX_SOURCE_BYTES = 4 * 2**20
# Before 3.11.8, two threads that parse at once can end in a SystemError
# (https://github.com/python/cpython/issues/106905); the filters of warnings belong to all threads.
_PARSING = threading.RLock()


def read_source(path: str | Path) -> str:
    """The text of a Python file.

    Raises:
        UserError: There is no such file, or it is not UTF-8 text.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: name the Python file that holds the model")
        if path.stat().st_size > MAX_SOURCE_BYTES:
            raise UserError(f"{path} is larger than 4 MiB: not a model's source file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path} cannot be read: {reason}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text: save the file as UTF-8") from error


def syntax_tree(text: str, filename: str = "<unknown>") -> ast.Module:
    """The syntax tree of Python text, whatever other threads parse; warnings of the parser are not shown.

    Raises:
        SyntaxError: It is not Python; or a ValueError, RecursionError or MemoryError.
    """
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in the file is not for us to report
        return ast.parse(text, filename)


def expression_tree(text: str) -> ast.expr:
    """Like :func:`syntax_tree` of the text of one expression."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body


def parse_source(source: str, path: str | Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        ModelError: Of kind ``parse``, with the line of the fault.
    """
    name = Path(path).name
    try:
        return syntax_tree(source, str(path))
    except SyntaxError as error:
        place = f"{name}:{error.lineno}" if error.lineno else name
        message = f"{place}: syntax error: {error.msg}"
        raise ModelError(Failure(FailureKind.PARSE, message, error.lineno)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or "nested too deeply"
        raise ModelError(Failure(FailureKind.PARSE, f"{name}: cannot be parsed: {reason}")) from error
