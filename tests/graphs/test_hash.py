from __future__ import annotations

import dataclasses

import pytest

from nas_assistant.graphs import ComputationalGraph, GraphBuilder, Location, Operation

MAP = (4, 8, 8)


def build(*, order=(0, 1), kernel=(3, 3), merge=Operation.ADD, framework="torch", layer="a", skip=False):
    builder = GraphBuilder(framework, layer)
    x = builder.add(Operation.INPUT, output_shape=MAP)
    branches = [
        builder.add(
            Operation.CONV,
            [x],
            output_shape=MAP,
            weight_shape=(4, 4, *kernel),
            kernel=kernel,
            layer=layer,
            call=Location(f"{layer}.py", 3),
        ),
        builder.add(Operation.RELU, [x], output_shape=MAP, layer=layer),
    ]
    merged = builder.add(merge, [branches[i] for i in order], output_shape=MAP)
    if skip:
        merged = builder.add(Operation.CONCAT, [merged, x], output_shape=(8, 8, 8))
    return builder.build([merged])


def test_names_places_and_framework_do_not_matter():
    left, right = build(), build(framework="keras", layer="b")
    assert left.hash == right.hash
    assert left.is_isomorphic(right)


def test_order_of_a_commutative_operation_does_not_matter():
    left, right = build(), build(order=(1, 0))
    assert left.hash == right.hash
    assert left.is_isomorphic(right)


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": (5, 5)},
        {"merge": Operation.MUL},
        {"skip": True},
        {"order": (0, 0)},
    ],
)
def test_a_different_network_has_a_different_hash(changes):
    assert build().hash != build(**changes).hash
    assert not build().is_isomorphic(build(**changes))


def test_order_of_a_concatenation_matters():
    left, right = build(merge=Operation.CONCAT), build(merge=Operation.CONCAT, order=(1, 0))
    assert left.hash != right.hash
    assert not left.is_isomorphic(right)


def test_order_of_the_nodes_does_not_matter():
    graph = build()
    swapped = {0: 0, 1: 2, 2: 1, 3: 3, 4: 4}
    nodes = sorted(
        (n.replace(id=swapped[n.id], inputs=tuple(swapped[i] for i in n.inputs)) for n in graph.nodes),
        key=lambda node: node.id,
    )
    assert ComputationalGraph(tuple(nodes)).hash == graph.hash


def test_every_part_of_the_signature_changes_the_hash():
    graph = build()
    changes = {
        "op": Operation.DEPTHWISE_CONV,
        "kernel": (1, 1),
        "stride": (2, 2),
        "padding": (1, 1, 1, 1),
        "dilation": (2, 2),
        "groups": 2,
        "output_shape": (4, 4, 4),
        "weight_shape": (8, 4, 3, 3),
        "bias": True,
    }
    for name, value in changes.items():
        nodes = list(graph.nodes)
        nodes[1] = nodes[1].replace(**{name: value})
        assert dataclasses.replace(graph, nodes=tuple(nodes)).hash != graph.hash, name
