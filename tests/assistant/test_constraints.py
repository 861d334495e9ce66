from __future__ import annotations

import pytest

from nas_assistant.assistant._constraints import constraint_failure, make_constraints, parse_limit
from nas_assistant.assistant._options import Options
from nas_assistant.errors import FailureKind, UserError
from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph, Operation, RegularNode


def _graph(*ops: Operation, parameters: int = 100, macs: int = 50, detail: str = "") -> ComputationalGraph:
    nodes = [RegularNode(id=0, op=Operation.INPUT)]
    for index, op in enumerate(ops, start=1):
        nodes.append(
            RegularNode(id=index, op=op, inputs=(index - 1,), detail=detail if op is Operation.OTHER else "")
        )
    nodes[-1] = nodes[-1].replace(parameters=parameters, macs=macs)  # type: ignore[assignment]
    return ComputationalGraph(tuple(nodes))


@pytest.mark.parametrize(
    ("text", "limit"),
    [("+10%", 1100), ("-50%", 500), ("2M", 2_000_000), ("1.5k", 1500), ("1e6", 1_000_000), (700, 700)],
)
def test_limits(text: str | int, limit: int) -> None:
    assert parse_limit(text, 1000, "--max-params") == limit


def test_layers_without_use_are_refused_where_the_original_has_none() -> None:
    def with_unused(count: int) -> ComputationalGraph:
        return ComputationalGraph(_graph(Operation.CONV).nodes, unused_parameters=count)

    failure = constraint_failure(with_unused(5), with_unused(0), Constraints())
    assert failure is not None and failure.message == "5 parameters have no part in the output"
    assert constraint_failure(with_unused(15), with_unused(10), Constraints()) is None


def test_a_share_of_nothing_is_no_limit() -> None:
    assert parse_limit("+100%", 0, "--max-flops") is None and parse_limit("5", 0, "--max-flops") == 5


@pytest.mark.parametrize("text", ["10%", "+2M", "many", "", "-100%", "0", "1e400"])
def test_bad_limits(text: str) -> None:
    with pytest.raises(UserError, match="--max-params"):
        parse_limit(text, 1000, "--max-params")


def test_an_unknown_operation_is_refused_with_a_guess() -> None:
    with pytest.raises(UserError, match="did you mean relu"):
        make_constraints(_graph(Operation.CONV), None, None, ["relo"])


def test_the_original_s_operations_are_always_allowed() -> None:
    original = _graph(Operation.CONV, Operation.SOFTMAX)
    constraints = make_constraints(original, None, None, ["relu"])
    assert constraint_failure(_graph(Operation.RELU, Operation.SOFTMAX), original, constraints) is None
    failure = constraint_failure(_graph(Operation.GELU), original, constraints)
    assert failure is not None and failure.kind is FailureKind.CONSTRAINT and "gelu" in failure.message


def test_operations_may_be_one_text() -> None:
    options = Options.of(allow_ops="relu,conv")
    assert options.allow_ops == Options.of(allow_ops=["conv", "relu"]).allow_ops == ("conv", "relu")


def test_parameters_and_flops() -> None:
    original = _graph(Operation.CONV)
    constraints = make_constraints(original, "+10%", 120, None)
    assert constraint_failure(_graph(Operation.CONV, parameters=110), original, constraints) is None
    for bigger in (
        _graph(Operation.CONV, parameters=111),
        _graph(Operation.CONV, macs=61),
    ):
        failure = constraint_failure(bigger, original, constraints)
        assert failure is not None and failure.kind is FailureKind.CONSTRAINT


def test_a_new_operation_without_a_name_is_unsupported() -> None:
    original = _graph(Operation.OTHER, detail="fft")
    same = _graph(Operation.OTHER, detail="fft", parameters=3)
    assert constraint_failure(same, original, Constraints()) is None
    failure = constraint_failure(_graph(Operation.OTHER, detail="sort"), original, Constraints())
    assert failure is not None and failure.kind is FailureKind.UNSUPPORTED_OP and "sort" in failure.message
