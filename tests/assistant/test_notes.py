"""What a user is told who may expect too much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nas_assistant.assistant import Options
from nas_assistant.assistant._notes import (
    elsewhere_notes,
    growth_notes,
    idle_notes,
    scope_notes,
    weight_notes,
)
from nas_assistant.errors import Failure, FailureKind
from nas_assistant.graphs import ComputationalGraph, GraphBuilder, Location, Operation, WeightedNode


def test_a_much_larger_model_is_told() -> None:
    (note,) = growth_notes((1_000, 2_000), (10, 12), Options())
    assert "2.0 times the parameters and 1.2 times the FLOPs" in note and "--max-params +10%" in note
    assert growth_notes((1_000, 1_000), (10, 40), Options(max_params=None, max_flops=None))
    assert not growth_notes((1_000, 1_400), (10, 12), Options())
    assert not growth_notes((1_000, 2_000), (10, 12), Options(max_params="3000"))
    (note,) = growth_notes((1_000, 1_050), (10, 196), Options(max_params="+10%"))
    assert note.startswith("the better model has 19.6 times the FLOPs of yours; --max-flops +10% looks for")
    assert not growth_notes((1_000, 2_000), (10, 40), Options(max_params="3000", max_flops="50"))
    assert not growth_notes((0, 100), (0, 0), Options())


def test_a_run_without_candidates_tells_why() -> None:
    assert not idle_notes("mutate", 0, 0, None, False)
    (note,) = idle_notes("mutate", 3, 3, None, False)
    assert note.startswith("generator mutate found nothing to change in this file within the limits")


def test_a_model_over_a_limit_is_told_where_nothing_better_is_within_it() -> None:
    over = Failure(FailureKind.CONSTRAINT, "9 parameters, more than the limit of 5")
    told = "your model is outside the limits of the run (9 parameters, more than the limit of 5), and no "
    assert idle_notes("mutate", 3, 3, over, False) == (told + "change was found that comes within them",)
    assert idle_notes("mutate", 0, 3, over, False) == (told + "better one is within them",)
    assert idle_notes("mutate", 1, 3, over, False) == idle_notes("mutate", 0, 3, over, False)
    assert not idle_notes("mutate", 0, 3, over, True)


def test_a_run_with_few_candidates_tells_why() -> None:
    over = Failure(FailureKind.CONSTRAINT, "9 parameters, more than the limit of 5")
    for broken in (None, over):
        (note,) = idle_notes("mutate", 9, 10, broken, False)
        assert note.startswith("generator mutate found nothing to change in 9 of 10 rounds within the limits")
        assert "--generator openai or llama_cpp" in note
    assert not idle_notes("mutate", 5, 10, None, False)


def test_layers_of_other_files_are_told() -> None:
    def layer(number: int, file: str) -> WeightedNode:
        return WeightedNode(
            id=number, op=Operation.CONV, weight_shape=(3, 3, 8, 8), layer=str(number),
            created=Location(f"/home/user/{file}", 1), inputs=tuple(range(number)[-1:]),
        )  # fmt: skip

    graph = ComputationalGraph([layer(0, "model.py"), layer(1, "blocks.py"), layer(2, "blocks.py")])
    (note,) = elsewhere_notes(graph, Path("/home/user/model.py"))
    assert note.startswith(
        "2 of 3 layers with weights are created in blocks.py, and no other file than model.py"
    )
    assert not elsewhere_notes(ComputationalGraph([layer(0, "model.py")]), Path("/home/user/model.py"))


def scope(given: tuple[int, ...], returned: tuple[int, ...]) -> tuple[str, ...]:
    builder = GraphBuilder("torch")
    source = builder.add(Operation.INPUT, output_shape=given)
    return scope_notes(builder.build([builder.add(Operation.OTHER, [source], output_shape=returned)]))


@pytest.mark.parametrize(
    ("shape", "words"),
    [((2, 28, 28), "of shape 2,28,28"), ((16, 100), "of shape 16,100"), ((1,), "of a single value"),
     ((1, 1, 1), "of a single value"), ((), "of a single value")],
)  # fmt: skip
def test_an_output_that_scores_no_classes_is_told(shape: tuple[int, ...], words: str) -> None:
    (note,) = scope((3, 32, 32), shape)
    assert note.startswith(f"an output {words} is no score for each class: ")


@pytest.mark.parametrize("shape", [(10,), (10, 1, 1), (1, 10)])
def test_scores_of_classes_are_not_remarked_on(shape: tuple[int, ...]) -> None:
    assert not scope((3, 32, 32), shape)


def test_an_input_that_is_no_image_is_told() -> None:
    (note,) = scope((16,), (10,))
    assert note.startswith("an input of shape 16 is no image: ")
    assert len(scope((16,), (16, 100))) == 2
    assert not scope((), ())


def test_layers_that_take_no_trained_weights_are_told() -> None:
    def network(first: nn.Module, width: int) -> ComputationalGraph:
        module = nn.Sequential(first, nn.Conv2d(8, width, 3), nn.Flatten(), nn.LazyLinear(4))
        return ComputationalGraph.from_torch(module.eval(), torch.zeros(2, 3, 8, 8))

    conv = nn.Conv2d(3, 8, 3)
    before = network(conv, 8)
    assert not weight_notes(before, before)
    (note,) = weight_notes(before, network(nn.Sequential(conv, nn.ReLU()), 8))
    assert note.endswith(": 1 of 3 layers with weights have no counterpart of the same name and size: 0")
    (note,) = weight_notes(before, network(conv, 12))
    assert note.startswith("trained weights: 2 of 3 layers") and note.endswith("size: 1, 3")
    assert not weight_notes(replace(before, framework="keras"), network(conv, 12))
