"""Graph files: JSON to read back, DOT and SVG to look at."""

from __future__ import annotations

import json
from pathlib import Path

from nas_assistant._files import replacing
from nas_assistant.errors import UserError
from nas_assistant.graphs._draw import to_dot, to_svg
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._json import graph_from_json, graph_to_json

_MAX_BYTES = 64 * 2**20
_REMEDY = "use .json, .dot or .svg"


def write_graph(graph: ComputationalGraph, path: Path) -> None:
    """Write a graph as ``.json``, ``.dot`` or ``.svg``, by the path's suffix.

    The file is replaced as a whole or not at all.

    Raises:
        UserError: Another suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        raise UserError(
            f"{path}: a graph has no weights to write as ONNX: {_REMEDY}, or export the model itself "
            "(PyTorch: torch.onnx.export, Keras: model.export(..., format='onnx'))"
        )
    if suffix == ".json":
        text = json.dumps(graph_to_json(graph), indent=1) + "\n"
    elif suffix in (".dot", ".gv"):
        text = to_dot(graph)
    elif suffix == ".svg":
        text = to_svg(graph)
    else:
        raise UserError(f"{path}: cannot write a graph as {suffix or 'a file without a suffix'}: {_REMEDY}")
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def load_graph(path: Path) -> ComputationalGraph:
    """Read a graph that :func:`write_graph` wrote as ``.json``.

    Raises:
        UserError: No such file, not JSON, or not a graph.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UserError(f"{path}: {size:,} bytes is too large for a graph ({_MAX_BYTES:,} at most)")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a JSON file (byte {error.start} is not UTF-8)") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not a JSON file: {error.msg}") from error
    except RecursionError as error:
        raise UserError(f"{path}: not a graph: nested too deeply") from error
    try:
        return graph_from_json(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
