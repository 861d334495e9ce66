"""Counts of layers, and lists of widths, that more hangs on than how many layers there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

STAGES = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        layers, width = [nn.Conv2d(3, 16, 3, padding=1)], 16
        for stage in range(3):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
            BODY
        for index, out in enumerate([16, 32]):
            layers.append(nn.Conv2d(width, out, 3, padding=1, stride=STRIDE))
            width = out
        for _ in range(DEPTH):
            layers.append(nn.Conv2d(width, width, 1))
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


def stages(body: str = "pass", stride: str = "1", depth: str = "depth") -> str:
    return STAGES.replace("BODY", body).replace("STRIDE", stride).replace("DEPTH", depth)


def counts(bench: Callable, source: str) -> set[str]:
    return {edit.layer for edit in bench(source).edits if edit.operation == "change_repeats"}


@pytest.mark.parametrize(
    ("body", "legal"),
    [
        ("pass", True),
        ("if stage > 0: layers.append(nn.ReLU())", True),
        ("if stage < 2: layers.append(nn.MaxPool2d(2))", False),
        ("layers.append(nn.MaxPool2d(2) if stage == 1 else nn.ReLU())", False),
    ],
)
def test_a_loop_that_goes_by_the_number_of_the_repetition_keeps_its_count(
    torch_bench: Callable, body: str, legal: bool
) -> None:
    assert ("range" in counts(torch_bench, stages(body))) == legal


@pytest.mark.parametrize(("depth", "legal"), [("depth", True), ("(depth - 2) // 2", False)])
def test_a_depth_that_a_rule_divides_stays(torch_bench: Callable, depth: str, legal: bool) -> None:
    assert ("depth" in counts(torch_bench, stages(depth=depth))) == legal


def test_a_loop_is_as_relevant_as_what_it_builds(torch_bench: Callable) -> None:
    from nas_assistant.edits import EditContext, legal_changes

    bench = torch_bench(stages())
    context = EditContext(bench.source, bench.graph, "torch")
    found = [
        c for c in legal_changes(context) if c.edit.operation == "change_repeats" and c.edit.layer == "range"
    ]
    layers = {bench.graph.nodes[node].layer for change in found for node in change.relevant}
    assert layers == {"body.1", "body.2", "body.3", "body.4", "body.5", "body.6"}


@pytest.mark.parametrize(("stride", "legal"), [("1", True), ("2 if index > 0 else 1", False)])
def test_a_width_whose_number_decides_is_not_repeated(
    torch_bench: Callable, stride: str, legal: bool
) -> None:
    found = [edit for edit in torch_bench(stages(stride=stride)).edits if edit.operation == "repeat_entry"]
    assert bool(found) == legal
