"""Reads the user's constraints and holds a candidate against them."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Collection

from nas_assistant.costs import bytes_text, memory_bytes
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph, Operation

_NUMBER = re.compile(r"^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d{1,2}))?\s*([kmgb%]?)$", re.IGNORECASE)
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
_UNIT = re.compile(r"^\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)\s*$", re.IGNORECASE)
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_BYTES = {
    "b": 1.0,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
}
_UNUSED_GROWTH = 2
"""Auxiliary heads, which run in training alone, may grow with what they read."""

_ALWAYS = frozenset({Operation.INPUT.value, Operation.OUTPUT.value, Operation.IDENTITY.value})


def parse_limit(text: str | int | None, original: int, option: str) -> int | None:
    """Read a limit: ``+10%`` of the original's number, or an absolute number such as ``2M`` or ``1500000``.

    A share of nothing is no limit.

    Raises:
        UserError: It is neither, or not positive.
    """
    if text is None:
        return None
    found = _NUMBER.match(str(text).strip().replace(",", "").replace("_", ""))
    if found is not None:
        sign, digits, exponent, unit = found.groups()
        value = float(f"{digits}e{exponent or 0}")
        if unit == "%" and sign and not original:
            return None
        if unit == "%" and sign:
            limit = original * (1 + (value if sign == "+" else -value) / 100)
        elif unit != "%" and not sign:
            limit = value * _SCALES[unit.lower()]
        else:
            limit = -1.0
        if limit > 0 and math.isfinite(limit):
            return math.floor(limit + 1e-6)
    raise UserError(f"{option} {text}: give a change such as +10%, or a number such as 2M or 1500000")


def parse_quantity(
    text: str | None, original: float, option: str, units: dict[str, float], example: str
) -> float | None:
    """Read a limit with a unit: ``+10%`` of the original's value, or a value such as ``12ms``.

    Raises:
        UserError: It is neither, or not positive.
    """
    if text is None:
        return None
    change, value = _NUMBER.match(text.strip()), _UNIT.match(text)
    limit = -1.0
    if change is not None and change[1] and change[4] == "%":
        share = float(f"{change[1]}{change[2]}e{change[3] or 0}") / 100
        limit = original * (1 + share)
    elif value is not None and value[2].lower() in units:
        limit = float(value[1]) * units[value[2].lower()]
    if limit > 0 and math.isfinite(limit):
        return limit
    raise UserError(f"{option} {text}: give a change such as +10%, or a value with a unit such as {example}")


def parse_latency(text: str | None, original: float) -> float | None:
    """Read ``--max-latency`` by :func:`parse_quantity`; seconds."""
    return parse_quantity(text, original, "--max-latency", _SECONDS, "12ms")


def parse_memory(text: str | None, original: int) -> int | None:
    """Read ``--max-memory`` by :func:`parse_quantity`; bytes."""
    limit = parse_quantity(text, original, "--max-memory", _BYTES, "4MB")
    return None if limit is None else math.floor(limit + 1e-6)


def parse_operations(names: Collection[str] | None, original: ComputationalGraph) -> frozenset[str] | None:
    """Read the allowed operations; those of the original are always allowed.

    Raises:
        UserError: A name is not in the vocabulary.
    """
    if names is None:
        return None
    known = {operation.value for operation in Operation}
    wanted = {name.strip().lower().replace("-", "_") for name in names} - {""}
    for name in sorted(wanted - known):
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"the operations are {', '.join(sorted(known))}"
        raise UserError(f"--allow-ops {name}: no such operation; {hint}")
    return frozenset(wanted | _ALWAYS | {node.op.value for node in original})


def make_constraints(
    original: ComputationalGraph,
    max_params: str | int | None,
    max_flops: str | int | None,
    allow_ops: Collection[str] | None,
    max_memory: str | None = None,
    memory_batch: int = 1,
) -> Constraints:
    """The constraints of a run.

    Raises:
        UserError: One of them cannot be read.
    """
    return Constraints(
        parse_limit(max_params, original.parameters, "--max-params"),
        parse_limit(max_flops, original.flops, "--max-flops"),
        parse_operations(allow_ops, original),
        parse_memory(max_memory, memory_bytes(original, memory_batch)),
        memory_batch,
    )


def constraint_failure(
    graph: ComputationalGraph, original: ComputationalGraph, constraints: Constraints
) -> Failure | None:
    """Why a candidate breaks the constraints, or None."""
    most = constraints.max_parameters
    if most is not None and graph.parameters > most:
        message = f"{graph.parameters:,} parameters, more than the limit of {most:,}"
        return Failure(FailureKind.CONSTRAINT, message)
    most = constraints.max_flops
    if most is not None and graph.flops > most:
        return Failure(FailureKind.CONSTRAINT, f"{graph.flops:,} FLOPs, more than the limit of {most:,}")
    most = constraints.max_memory
    if most is not None and (needed := memory_bytes(graph, constraints.memory_batch)) > most:
        message = f"{bytes_text(needed)} of memory, more than the limit of {bytes_text(most)}"
        return Failure(FailureKind.CONSTRAINT, message)
    if graph.unused_parameters > _UNUSED_GROWTH * original.unused_parameters:
        message = f"{graph.unused_parameters:,} parameters have no part in the output"
        return Failure(FailureKind.CONSTRAINT, message)
    allowed = constraints.allowed_operations
    for node in graph:
        if allowed is not None and node.op is not Operation.OTHER and node.op.value not in allowed:
            line = node.call.line if node.call else None
            message = f"uses {node.op.value}, which is not among the allowed operations"
            return Failure(FailureKind.CONSTRAINT, message, line)
    return _unsupported(graph, original)


def _unsupported(graph: ComputationalGraph, original: ComputationalGraph) -> Failure | None:
    known = Counter(node.detail for node in original if node.op is Operation.OTHER)
    for node in graph:
        if node.op is Operation.OTHER and not known[node.detail]:
            name = node.detail or "an operation without a name"
            line = node.call.line if node.call else None
            message = f"uses {name}, which the predictor has no name for"
            return Failure(FailureKind.UNSUPPORTED_OP, message, line)
    return None
