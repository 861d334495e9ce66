from __future__ import annotations

import copy
import json

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph, read_torch

from .conftest import torch_example


@pytest.fixture(scope="module")
def graph():
    return read_torch(torch_example("residual"), torch.zeros(1, 3, 32, 32))


def test_round_trip_keeps_everything(graph):
    data = json.loads(json.dumps(graph.to_json()))
    again = ComputationalGraph.from_json(data)
    assert again == graph
    assert again.warnings == graph.warnings
    assert again.hash == graph.hash
    assert (again.parameters, again.macs) == (graph.parameters, graph.macs)


def broken(graph, change):
    data = copy.deepcopy(json.loads(json.dumps(graph.to_json())))
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.update(format=99), "99"),
        (lambda d: d.pop("nodes"), "nodes"),
        (lambda d: d["nodes"][1].update(op="warp"), "nodes.1.op"),
        (lambda d: d["nodes"][1].update(inputs=[7]), "node 1"),
        (lambda d: d["nodes"][1].update(inputs=[-1]), "nodes.1.inputs"),
        (lambda d: d["nodes"][1].update(parameters=-5), "nodes.1.parameters"),
        (lambda d: d["nodes"][1].update(code="import os"), "nodes.1.code"),
        (lambda d: d["nodes"][1].update(output_shape=["a"]), "nodes.1.output_shape"),
    ],
)
def test_a_broken_graph_is_refused_with_the_place(graph, change, named):
    with pytest.raises(UserError) as raised:
        ComputationalGraph.from_json(broken(graph, change))
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [None, [], "graph", 3, {"nodes": 5}])
def test_other_data_is_refused(data):
    with pytest.raises(UserError, match="not a graph"):
        ComputationalGraph.from_json(data)
