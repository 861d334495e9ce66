"""GENNAPE front end: reads the computational graphs that its authors publish.

Mills et al. 2023, "GENNAPE: Towards Generalized Neural Architecture Performance Estimators", section 3.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas_assistant.errors import UserError
from nas_assistant.graphs._gennape_nodes import GraphData, build_graph
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._pickle_data import Instance, Name, read_pickle_data

_MODULE = "model_src.comp_graph.tf_comp_graph"
_GRAPH = Name(_MODULE, "ComputeGraph")
_NODES = {
    "regular_nodes": Name(_MODULE, "RegularNode"),
    "weighted_nodes": Name(_MODULE, "WeightedNode"),
}
_MAX_BYTES = 4 * 2**20
_MAX_CACHE_BYTES = 512 * 2**20

_SCALARS = frozenset(Name(f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core"))
_ARRAYS = frozenset(
    {
        *(Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
        *(Name("numpy", name) for name in ("ndarray", "dtype")),
    }
)


@dataclass(frozen=True, slots=True)
class GennapeEntry:
    """One network of a published cache.

    Attributes:
        graph: Its computational graph.
        accuracy: The label, in [0, 1].
        flops: As published; None where it is not.
        parameters: Likewise.
    """

    graph: ComputationalGraph
    accuracy: float
    flops: float | None = None
    parameters: float | None = None


def read_gennape(path: str | Path) -> ComputationalGraph:
    """Read a pickled ``ComputeGraph``, or its state as ``.json``.

    Nothing in the file is run or imported; a pickle that holds more than such a graph is refused.

    Raises:
        UserError: No such file, too large, or not a graph of GENNAPE.
    """
    path = Path(path)
    content = _content(path, _MAX_BYTES)
    try:
        if path.suffix == ".json":
            return graph_from_gennape(json.loads(content))
        return _graph(read_pickle_data(content, _is_own))
    except (ValueError, RecursionError, UserError) as error:
        raise UserError(f"{path}: not a computational graph of GENNAPE: {error}") from error


def graph_from_gennape(state: Any) -> ComputationalGraph:
    """The graph of a state dictionary, as GENNAPE's label files have it under ``cg``.

    Raises:
        UserError: The data is not such a state.
    """
    try:
        return build_graph(GraphData.model_validate(state))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part)[:40] for part in fault["loc"]) or "graph"
        raise UserError(f"{place}: {fault['msg']}") from error


def read_gennape_cache(path: str | Path) -> list[GennapeEntry]:
    """Read a ``gpi_<family>_comp_graph_cache.pkl``: a list of graphs with their labels.

    It takes some twelve times the memory of the file. The configuration behind a graph is left out.

    Raises:
        UserError: No such file, too large, or not such a list; the message has the entry.
    """
    path = Path(path)
    content = _content(path, _MAX_CACHE_BYTES)
    try:
        data = read_pickle_data(content, _is_of_cache, calls=True)
    except ValueError as error:
        raise UserError(f"{path}: not a cache of GENNAPE: {error}") from error
    if not isinstance(data, list):
        raise UserError(f"{path}: not a cache of GENNAPE, which is a list")
    entries = []
    for index, entry in enumerate(data):
        try:
            entries.append(_entry(entry))
        except (ValueError, UserError) as error:
            raise UserError(f"{path}, entry {index}: not a labelled graph of GENNAPE: {error}") from error
    return entries


def _entry(entry: Any) -> GennapeEntry:
    if not isinstance(entry, dict):
        raise ValueError("it is not a dictionary")
    accuracy = _number(entry.get("acc"))
    if accuracy is None or not 0 <= accuracy <= 1:
        raise ValueError("its 'acc' is no fraction from 0 to 1")
    graph = _graph(entry.get("compute graph"))
    return GennapeEntry(graph, accuracy, _number(entry.get("flops")), _number(entry.get("n_params")))


def _number(value: Any) -> float | None:
    """A number, also one of numpy's, which a pickle holds as a type and its bytes."""
    if isinstance(value, Instance) and value.made_by in _SCALARS:
        match value.arguments:
            case (Instance(arguments=(str(kind), *_)), bytes(content)):
                code = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}.get(kind)
                if code and len(content) == struct.calcsize(code):
                    value = struct.unpack(code, content)[0]
    number = float(value) if isinstance(value, (int, float)) else math.nan
    return number if math.isfinite(number) else None


def _is_own(name: Name) -> bool:
    return name == _GRAPH or name in _NODES.values()


def _is_of_cache(name: Name) -> bool:
    # What the configurations consist of.
    return _is_own(name) or name in _SCALARS or name in _ARRAYS or name.name == "Genotype"


def _graph(data: Any) -> ComputationalGraph:
    """The graph of an unpickled ``ComputeGraph``."""
    state = dict(_state(data, _GRAPH, "ComputeGraph"))
    for kind, name in _NODES.items():
        nodes = state.get(kind)
        if isinstance(nodes, list):
            state[kind] = [_state(node, name, f"list of {name.name}") for node in nodes]
    return graph_from_gennape(state)


def _state(data: Any, name: Name, what: str) -> Mapping[Any, Any]:
    if not isinstance(data, Instance) or data.made_by != name or data.arguments:
        raise ValueError(f"it is no {what}")
    if not isinstance(data.state, dict):
        raise ValueError(f"its {what} has no fields")
    return data.state


def _content(path: Path, largest: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > largest:
            raise UserError(f"{path}: {size:,} bytes is too large to read ({largest:,} at most)")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
