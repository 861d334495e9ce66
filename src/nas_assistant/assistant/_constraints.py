"""Reads the user's constraints and holds a candidate against them."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Collection

from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph, Operation

_NUMBER = re.compile(r"^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d{1,2}))?\s*([kmgb%]?)$", re.IGNORECASE)
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
_ALWAYS = frozenset({Operation.INPUT.value, Operation.OUTPUT.value, Operation.IDENTITY.value})


def parse_limit(text: str | int | None, original: int, option: str) -> int | None:
    """Read a limit: ``+10%`` of the original's number, or an absolute number such as ``2M`` or ``1500000``.

    Raises:
        UserError: It is neither, or not positive.
    """
    if text is None:
        return None
    found = _NUMBER.match(str(text).strip().replace(",", "").replace("_", ""))
    if found is not None:
        sign, digits, exponent, unit = found.groups()
        value = float(f"{digits}e{exponent or 0}")
        if unit == "%" and sign:
            limit = original * (1 + (value if sign == "+" else -value) / 100)
        elif unit != "%" and not sign:
            limit = value * _SCALES[unit.lower()]
        else:
            limit = -1.0
        if limit > 0 and math.isfinite(limit):
            return math.floor(limit + 1e-6)
    raise UserError(f"{option} {text}: give a change such as +10%, or a number such as 2M or 1500000")


def parse_operations(
    names: Collection[str] | str | None, original: ComputationalGraph
) -> frozenset[str] | None:
    """Read the allowed operations; those of the original are always allowed.

    Raises:
        UserError: A name is not in the vocabulary.
    """
    if names is None:
        return None
    if isinstance(names, str):
        names = names.split(",")
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
    allow_ops: Collection[str] | str | None,
) -> Constraints:
    """The constraints of a run.

    Raises:
        UserError: One of them cannot be read.
    """
    return Constraints(
        parse_limit(max_params, original.parameters, "--max-params"),
        parse_limit(max_flops, original.flops, "--max-flops"),
        parse_operations(allow_ops, original),
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
