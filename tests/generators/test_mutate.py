from __future__ import annotations

import ast
import dataclasses
import re
from collections import Counter
from typing import Any

import pytest

from nas_assistant.edits import apply_edits, legal_edits
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators import Attempt, Constraints, Request, get_generator
from nas_assistant.graphs import ComputationalGraph, read_torch, record_creation
from nas_assistant.relevance import LayerRelevance

SOURCE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.helps = nn.Conv2d(3, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.hurts = nn.Conv2d(16, 16, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.helps(x)))
        x = torch.relu(self.bn2(self.hurts(x)))
        return self.head(x.mean((2, 3)))
"""
WEIGHTS = {"helps": 0.5, "bn1": 0.1, "hurts": -0.3, "bn2": -0.05, "head": 0.05}


def graph_of(source: str) -> ComputationalGraph:
    import torch

    with record_creation():
        namespace: dict[str, Any] = {}
        exec(compile(source, "model.py", "exec"), namespace)
        model = namespace["Net"]()
    return read_torch(model.eval(), torch.zeros(2, 3, 8, 8))


@pytest.fixture(scope="module")
def request_() -> Request:
    relevance = tuple(LayerRelevance(layer, "conv", weight) for layer, weight in WEIGHTS.items())
    return Request(SOURCE, "torch", "Net", graph_of(SOURCE), relevance, 0.9, 0.95, count=6, seed=3)


def layers(request: Request, operation: str, rounds: int = 60, **options: Any) -> Counter[str]:
    """The layers that an operation is drawn for, over many seeds."""
    generator = get_generator("mutate", max_edits=1, **options)
    found: Counter[str] = Counter()
    for seed in range(rounds):
        for proposal in generator.propose(dataclasses.replace(request, seed=seed, count=8)):
            found.update(edit.layer for edit in proposal.edits if edit.operation == operation)
    return found


def test_proposals_are_different_and_hold_what_they_say(request_: Request) -> None:
    proposals = get_generator("mutate").propose(request_)
    assert len(proposals) == 6
    assert len({proposal.source for proposal in proposals}) == 6
    for proposal in proposals:
        ast.parse(proposal.source)
        assert proposal.source != SOURCE and proposal.failure is None
        assert 1 <= len(proposal.edits) <= 3
        assert apply_edits(SOURCE, proposal.edits, request_.graph, framework="torch") == proposal.source
        assert len({edit.operation for edit in proposal.edits}) == len(proposal.edits)
        assert all(edit.reason for edit in proposal.edits) and not proposal.explanation


def test_safe_proposals_run_and_are_other_networks(request_: Request) -> None:
    proposals = get_generator("mutate").propose(request_)
    safe = [proposal for proposal in proposals if all(edit.shape_safe for edit in proposal.edits)]
    assert safe
    for proposal in safe:
        graph = graph_of(proposal.source)
        assert graph.output_shape == (10,)
        assert graph.hash != request_.graph.hash


def test_the_same_request_gives_the_same_proposals(request_: Request) -> None:
    generator = get_generator("mutate")
    assert (
        generator.propose(request_)
        == generator.propose(request_)
        == get_generator("mutate").propose(request_)
    )
    other = dataclasses.replace(request_, seed=4)
    assert generator.propose(other) != generator.propose(request_)


def test_operations_are_varied(request_: Request) -> None:
    proposals = get_generator("mutate", max_edits=1).propose(dataclasses.replace(request_, count=10))
    assert len({proposal.edits[0].operation for proposal in proposals}) >= 6


def test_relevance_chooses_the_layer(request_: Request) -> None:
    kernels = layers(request_, "change_kernel")
    assert kernels["hurts"] > 2 * kernels["helps"]  # replaced where it hurts
    inserted = layers(request_, "insert_block")
    assert inserted["helps"] > 2 * inserted["hurts"]  # deepened where it helps


@pytest.mark.parametrize("temperature", [1e-3, 1e-320])
def test_next_to_no_temperature_takes_the_layer_that_hurts_most(
    request_: Request, temperature: float
) -> None:
    kernels = layers(request_, "change_kernel", 5, relevance_temperature=temperature)
    assert kernels["hurts"] and not kernels["helps"]


def test_the_controls_do_not_read_relevance(request_: Request) -> None:
    for guidance in ("uniform", "shuffled"):
        kernels = layers(request_, "change_kernel", guidance=guidance)
        share = kernels["hurts"] / (kernels["hurts"] + kernels["helps"])
        assert 0.3 < share < 0.7, guidance


def test_reasons_tell_the_relevance(request_: Request) -> None:
    reasons = [
        edit.reason
        for seed in range(20)
        for proposal in get_generator("mutate").propose(dataclasses.replace(request_, seed=seed))
        for edit in proposal.edits
        if edit.layer == "hurts" and edit.operation == "change_kernel"
    ]
    assert reasons
    assert all("hurts (relevance -0.60 of the largest)" in reason for reason in reasons)


def test_what_was_tried_is_not_proposed_again_until_all_is_tried(request_: Request) -> None:
    generator = get_generator("mutate", max_edits=1)
    history: tuple[Attempt, ...] = ()
    seen: set[str] = set()
    while proposals := generator.propose(dataclasses.replace(request_, history=history)):
        for proposal in proposals:
            (edit,) = proposal.edits
            assert edit.describe() not in seen
            seen.add(edit.describe())
            failure = Failure(FailureKind.SHAPE, "no") if len(seen) % 2 else None
            history = (*history, Attempt((edit,), (), None if failure else 0.9, None, failure))
    assert seen == {edit.describe() for edit in legal_edits(SOURCE, request_.graph, framework="torch")}


def test_what_was_better_elsewhere_is_tried_here(request_: Request) -> None:
    generator = get_generator("mutate", max_edits=1)
    better, *others = legal_edits(SOURCE, request_.graph, framework="torch")
    history = (
        Attempt((better,), accuracy=0.9, gain=0.1, here=False),
        *(Attempt((one,), accuracy=0.7, gain=-0.1) for one in others),
    )

    def proposed(*attempts: Attempt) -> list[tuple[object, ...]]:
        found = generator.propose(dataclasses.replace(request_, history=attempts))
        return [edit.key for proposal in found for edit in proposal.edits]

    assert proposed(*history) == [better.key]
    assert proposed(*history, Attempt((better,), accuracy=0.9, gain=0.1)) == []
    failed = Attempt((better,), failure=Failure(FailureKind.SHAPE, "no"), here=False)
    assert proposed(*history, failed) == []


def test_what_failed_is_not_proposed_again_when_its_line_has_moved(request_: Request) -> None:
    generator = get_generator("mutate", max_edits=1)
    edits = legal_edits(SOURCE, request_.graph, framework="torch")
    told = Counter(re.sub(r" \(line \d+\)", "", edit.describe()) for edit in edits)
    moved = [
        Attempt((dataclasses.replace(edit, line=999),), failure=Failure(FailureKind.SHAPE, "no"))
        for edit in edits
        if told[re.sub(r" \(line \d+\)", "", edit.describe())] == 1
    ]
    proposals = generator.propose(dataclasses.replace(request_, history=tuple(moved), count=50))
    assert proposals
    for proposal in proposals:
        (edit,) = proposal.edits
        assert told[re.sub(r" \(line \d+\)", "", edit.describe())] > 1


def test_operations_that_are_not_allowed_are_not_brought_in(request_: Request) -> None:
    present = {node.op.value for node in request_.graph}
    request = dataclasses.replace(
        request_, count=20, constraints=Constraints(allowed_operations=frozenset(present))
    )
    proposals = get_generator("mutate").propose(request)
    assert proposals
    for proposal in proposals:
        for edit in proposal.edits:
            assert edit.operation not in ("add_dropout", "swap_conv", "change_activation", "add_skip")


def test_growth_beyond_the_limit_is_not_proposed(request_: Request) -> None:
    limit = Constraints(max_parameters=request_.graph.parameters)
    proposals = get_generator("mutate").propose(dataclasses.replace(request_, count=12, constraints=limit))
    assert proposals
    for proposal in proposals:
        # One edit may grow into the room that another one makes.
        assert graph_of(proposal.source).parameters <= request_.graph.parameters


def test_a_network_over_a_limit_is_narrowed_until_it_fits(request_: Request) -> None:
    limit = Constraints(max_parameters=request_.graph.parameters * 2 // 5)
    proposals = get_generator("mutate").propose(dataclasses.replace(request_, count=6, constraints=limit))
    assert any(len(proposal.edits) > 1 for proposal in proposals)
    assert all(graph_of(one.source).parameters <= limit.max_parameters for one in proposals)


def test_a_source_without_edits_gives_no_proposals(request_: Request) -> None:
    assert get_generator("mutate").propose(dataclasses.replace(request_, source="x = 1\n")) == []


def test_a_source_that_does_not_parse_gives_a_failure(request_: Request) -> None:
    (proposal,) = get_generator("mutate").propose(dataclasses.replace(request_, source="def f(:\n"))
    assert proposal.failure is not None and proposal.failure.kind is FailureKind.PARSE


@pytest.mark.parametrize(
    "options", [{"guidance": "luck"}, {"relevance_temperature": 0}, {"max_edits": 4}, {"speed": 1}]
)
def test_bad_options_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="mutate") as caught:
        get_generator("mutate", **options)
    assert len(str(caught.value).splitlines()) == 1
