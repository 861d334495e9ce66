from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nas_assistant as na
from nas_assistant.assistant import ModelReport
from nas_assistant.graphs import ComputationalGraph, Location, Operation, RegularNode, WeightedNode
from nas_assistant.predictors import Prediction
from nas_assistant.relevance import Relevance, in_forward_order, layers_of, relevance
from nas_assistant.sources import Inspection


def _conv(index: int, source: int, layer: str, created: int, parameters: int = 10) -> WeightedNode:
    return WeightedNode(
        id=index,
        op=Operation.CONV,
        inputs=(source,),
        layer=layer,
        created=Location("m.py", created),
        call=Location("m.py", 40),
        parameters=parameters,
        weight_shape=(1, 1, 3, 3),
    )


def _call(index: int, op: Operation, inputs: tuple[int, ...], line: int) -> RegularNode:
    return RegularNode(id=index, op=op, inputs=inputs, call=Location("m.py", line, index))


GRAPH = ComputationalGraph(
    (
        RegularNode(id=0, op=Operation.INPUT),
        _conv(1, 0, "a", 10),
        _call(2, Operation.RELU, (1,), 41),
        _conv(3, 2, "deep", 12),
        _conv(4, 0, "b", 11),
        _conv(5, 3, "a", 10, parameters=0),
        _call(6, Operation.ADD, (4, 5), 42),
        RegularNode(id=7, op=Operation.OUTPUT, inputs=(6,)),
    )
)


@dataclass
class _Point:
    accuracy: float


class _Known:
    """Masking a node costs what the table says."""

    def __init__(self, costs: dict[int, float]) -> None:
        self.costs = costs
        self.batches = 0

    def predict(self, graph: ComputationalGraph) -> _Point:
        return _Point(0.9)

    def predict_masked(self, graph: ComputationalGraph, groups: Sequence[Sequence[int]]) -> list[float]:
        self.batches += 1
        return [0.9 - sum(self.costs.get(index, 0.0) for index in group) for group in groups]


def test_layers_are_breadth_first_and_a_layer_called_twice_is_one() -> None:
    layers = layers_of(GRAPH)
    assert [(layer.name, layer.op, layer.nodes) for layer in layers] == [
        ("a", "conv", (1, 5)),
        ("b", "conv", (4,)),
        ("", "relu", (2,)),
        ("", "add", (6,)),
        ("deep", "conv", (3,)),
    ]


def test_weights_are_normalised_losses_with_sign_and_place() -> None:
    predictor = _Known({1: 0.1, 5: 0.1, 4: -0.1, 2: 0.1})
    found = relevance(GRAPH, predictor)
    assert predictor.batches == 1
    assert found.baseline == 0.9
    assert [round(layer.weight, 6) for layer in found] == [0.5, -0.25, 0.25, 0.0, 0.0]
    assert [(layer.file, layer.line) for layer in found][:3] == [("m.py", 10), ("m.py", 11), ("m.py", 41)]


def test_a_person_reads_the_layers_in_the_order_in_which_they_run() -> None:
    found = relevance(GRAPH, _Known({3: 0.1, 4: 0.3}))
    shown = [(layer.layer or layer.op, round(layer.weight, 6)) for layer in in_forward_order(GRAPH, found)]
    assert shown == [("a", 0.0), ("relu", 0.0), ("deep", 0.25), ("b", 0.75), ("add", 0.0)]
    report = ModelReport(
        Inspection(GRAPH, "net", "torch", (), ()), Prediction(0.9, (0.8, 1.0), 1.0, ()), found
    )
    assert [layer["op"] for layer in report.relevance_to_json()] == ["conv", "relu", "conv", "conv", "add"]


def test_no_loss_anywhere_gives_zeros() -> None:
    assert {layer.weight for layer in relevance(GRAPH, _Known({}))} == {0.0}


def test_a_graph_without_layers() -> None:
    graph = ComputationalGraph(GRAPH.nodes[:1])
    assert relevance(graph, _Known({})) == Relevance((), 0.9)


def test_the_package_is_callable() -> None:
    assert na.relevance(GRAPH, _Known({4: 0.2})) == relevance(GRAPH, _Known({4: 0.2}))
