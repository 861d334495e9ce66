"""Listing and making edits: every one that counts as safe must be."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.edits import Edit, EditError, apply_edits, get_operation, legal_edits
from nas_assistant.errors import FailureKind

from .bench import choose, diff, keras_graph, torch_graph

EXAMPLES = Path(__file__).parents[2] / "examples"
TORCH = {
    "torch_cnn.py": ("CNN", (3, 32, 32)),
    "torch_residual.py": ("ResNet", (3, 16, 16)),
    "torch_mobilenet.py": ("MobileNet", (3, 16, 16)),
    "torch_inception.py": ("InceptionNet", (3, 16, 16)),
}
KERAS = {"keras_cnn.py": "model", "keras_residual.py": "build_model"}

SMALL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # the body
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),  # keep me
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
        )
        self.head = nn.Linear(8, 10)  # and me

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.mark.parametrize("name", TORCH)
def test_safe_edits_of_the_examples_keeps_them_running(name: str) -> None:
    source = (EXAMPLES / name).read_text()
    entry, shape = TORCH[name]
    graph = torch_graph(source, entry, shape)
    edits = legal_edits(source, graph, framework="torch", shape_safe=True)
    assert len(edits) >= 5
    one_each = {(edit.operation, edit.layer): edit for edit in edits}
    for edit in one_each.values():
        text = apply_edits(source, [edit], graph, framework="torch")
        ast.parse(text)
        after = torch_graph(text, entry, shape)
        assert after.output_shape == graph.output_shape, edit.describe()
        assert after.hash != graph.hash, edit.describe()


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", KERAS)
def test_safe_edits_of_the_keras_examples_keep_them_running(name: str) -> None:
    source = (EXAMPLES / name).read_text()
    graph = keras_graph(source, KERAS[name])
    edits = legal_edits(source, graph, framework="keras", shape_safe=True)
    assert len(edits) >= 5
    one_each = {edit.operation: edit for edit in edits}
    for edit in one_each.values():
        after = keras_graph(apply_edits(source, [edit], graph, framework="keras"), KERAS[name])
        assert after.output_shape == graph.output_shape, edit.describe()
        assert after.hash != graph.hash, edit.describe()


def test_several_edits_at_once_refer_to_the_source_as_it_is(torch_bench: Callable) -> None:
    bench = torch_bench(SMALL)
    edits = [
        choose(bench.edits, "widen", "body.0", to=12),
        choose(bench.edits, "change_kernel", "body.0", to="5x5"),
        choose(bench.edits, "add_norm", "body.2"),
        choose(bench.edits, "change_activation", "body.1", to="gelu"),
    ]
    text = bench.apply(*edits)
    assert text == bench.apply(*reversed(edits))
    bench.check(text)
    assert diff(SMALL, text) == [
        "-            nn.Conv2d(3, 8, 3, padding=1),  # keep me",
        "-            nn.ReLU(),",
        "-            nn.Conv2d(8, 8, 3, padding=1),",
        "+            nn.Conv2d(3, 12, 5, padding=2),  # keep me",
        "+            nn.GELU(),",
        "+            nn.Conv2d(12, 8, 3, padding=1),",
        "+            nn.BatchNorm2d(8),",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("widen", "body.0", {"to": 12}), ("add_norm", "body.0", {})),  # would copy the old width
        (("widen", "body.0", {"to": 12}), ("narrow", "body.0", {"to": 4})),
        (("widen", "body.0", {"to": 12}), ("remove_layer", "body.2", {})),
        (("change_activation", "body.1", {"to": "elu"}), ("change_activation", "body.1", {"to": "gelu"})),
        (("add_norm", "body.2", {}), ("add_norm", "body.2", {})),
    ],
)
def test_edits_that_do_not_go_together(
    torch_bench: Callable,
    first: tuple[str, str, dict[str, object]],
    second: tuple[str, str, dict[str, object]],
) -> None:
    bench = torch_bench(SMALL)
    pair = [choose(bench.edits, name, layer, **arguments) for name, layer, arguments in (first, second)]
    with pytest.raises(EditError, match="does not go together with") as caught:
        bench.apply(*pair)
    assert caught.value.failure.kind is FailureKind.CONSTRAINT


def test_operations_that_are_not_allowed_are_not_listed(torch_bench: Callable) -> None:
    bench = torch_bench(SMALL)
    edits = legal_edits(SMALL, bench.graph, framework="torch", allowed_operations={"conv", "relu"})
    assert edits
    assert not [edit for edit in edits if edit.operation in ("add_norm", "add_dropout", "change_activation")]
    some = legal_edits(SMALL, bench.graph, framework="torch", allowed_operations={"gelu"})
    assert {edit.arguments["to"] for edit in some if edit.operation == "change_activation"} == {"gelu"}


def test_comments_are_kept(torch_bench: Callable) -> None:
    bench = torch_bench(SMALL)
    for edit in bench.edits:
        text = bench.apply(edit)
        for comment in ("# the body", "# and me"):
            assert comment in text, edit.describe()
        assert "# keep me" in text or edit.operation == "swap_conv", edit.describe()


@pytest.mark.parametrize(
    ("edits", "kind"),
    [
        ([], FailureKind.UNCHANGED),
        ([Edit("widen", "body.0", 10, {"from": 8, "to": 13})], FailureKind.CONSTRAINT),
        ([Edit("polish", "body.0", 10)], FailureKind.PARSE),
    ],
)
def test_bad_edits(torch_bench: Callable, edits: list[Edit], kind: FailureKind) -> None:
    with pytest.raises(EditError) as caught:
        torch_bench(SMALL).apply(*edits)
    assert caught.value.failure.kind is kind
    assert len(str(caught.value).splitlines()) == 1


def test_a_source_that_does_not_parse(torch_bench: Callable) -> None:
    graph = torch_bench(SMALL).graph
    with pytest.raises(EditError) as caught:
        legal_edits(SMALL.replace("):", ")"), graph, framework="torch")
    assert caught.value.failure.kind is FailureKind.PARSE


def test_a_graph_of_another_file_has_no_edits(torch_bench: Callable) -> None:
    assert legal_edits("x = 1\n", torch_bench(SMALL).graph, framework="torch") == []


@pytest.mark.parametrize("shape", [(), (8,), (8, 4), (1, 2, 3, 4)])
def test_shapes_that_are_no_feature_maps_break_nothing(torch_bench: Callable, shape: tuple[int, ...]) -> None:
    source = SMALL.replace("nn.ReLU(),", "nn.MaxPool2d(2, stride=2),")
    graph = torch_bench(source).graph
    for part in (
        {"input_shape": shape},
        {"output_shape": shape},
        {"input_shape": shape, "output_shape": shape},
    ):
        odd = dataclasses.replace(graph, nodes=tuple(node.replace(**part) for node in graph.nodes))
        for edit in legal_edits(source, odd, framework="torch"):
            ast.parse(apply_edits(source, [edit], odd, framework="torch"))


def test_operations_say_what_they_do(torch_bench: Callable) -> None:
    for edit in torch_bench(SMALL).edits:
        assert get_operation(edit.operation).summary
        assert f"(line {edit.line})" in edit.describe()
