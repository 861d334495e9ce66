from __future__ import annotations

import pytest

from nas_assistant.graphs import GraphBuilder, Operation, WeightedNode

MAP = (4, 8, 8)


def start(shape=MAP):
    builder = GraphBuilder("torch", "net")
    return builder, builder.add(Operation.INPUT, output_shape=shape)


def conv(builder, source, *, shape=MAP, padding=(0, 0, 0, 0), bias=False, parameters=0):
    return builder.add(
        Operation.CONV,
        [source],
        output_shape=shape,
        weight_shape=(4, 4, 3, 3),
        kernel=(3, 3),
        stride=(1, 1),
        padding=padding,
        bias=bias,
        parameters=parameters,
    )


def ops(graph):
    return [node.op.value for node in graph.nodes]


def test_identity_and_arithmetic_with_constants_are_left_out():
    builder, x = start()
    for op in (Operation.IDENTITY, Operation.MUL, Operation.ADD):
        x = builder.add(op, [x], output_shape=MAP)
    graph = builder.build([builder.add(Operation.RELU, [x], output_shape=MAP)])
    assert ops(graph) == ["input", "relu", "output"]


def test_reshape_that_moves_axes_of_length_one_is_left_out_and_others_stay():
    builder, x = start((8, 1, 1))
    x = builder.add(Operation.RESHAPE, [x], output_shape=(8,))
    x = builder.add(Operation.RESHAPE, [x], output_shape=(4, 2))
    assert ops(builder.build([x])) == ["input", "reshape", "output"]


def test_zero_padding_becomes_part_of_the_convolutions_that_read_it():
    builder, x = start()
    pad = builder.add(Operation.PAD, [x], output_shape=(4, 10, 9), padding=(1, 1, 1, 0))
    left = conv(builder, pad, padding=(0, 1, 0, 1))
    right = conv(builder, pad)
    graph = builder.build([builder.add(Operation.ADD, [left, right], output_shape=MAP)])
    assert ops(graph) == ["input", "conv", "conv", "add", "output"]
    assert [node.padding for node in graph.nodes[1:3]] == [(1, 2, 1, 1), (1, 1, 1, 0)]
    assert graph.nodes[1].inputs == (0,)


def test_padding_by_nothing_is_left_out():
    builder, x = start()
    x = builder.add(Operation.PAD, [x], output_shape=MAP, padding=(0, 0, 0, 0))
    by_unknown_amounts = builder.add(Operation.PAD, [x], output_shape=MAP)
    assert ops(builder.build([by_unknown_amounts])) == ["input", "pad", "output"]


def test_zero_padding_stays_when_a_pool_reads_it():
    builder, x = start()
    pad = builder.add(Operation.PAD, [x], output_shape=(4, 10, 10), padding=(1, 1, 1, 1))
    first = conv(builder, pad)
    second = builder.add(Operation.MAX_POOL, [pad], output_shape=MAP, kernel=(3, 3), padding=(0, 0, 0, 0))
    graph = builder.build([first, second])
    assert ops(graph)[:2] == ["input", "pad"]
    assert graph.nodes[2].padding == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("op", "output", "attributes"),
    [
        (Operation.MEAN, (4,), {}),
        (Operation.MEAN, (4, 1, 1), {}),
        (Operation.AVG_POOL, (4, 1, 1), {"kernel": (8, 8), "stride": (8, 8), "padding": (0, 0, 0, 0)}),
        (Operation.GLOBAL_AVG_POOL, (4, 1, 1), {}),
    ],
)
def test_every_spelling_of_the_global_average_pool_is_one_node(op, output, attributes):
    builder, x = start()
    graph = builder.build([builder.add(op, [x], output_shape=output, **attributes)])
    pool = graph.nodes[1]
    assert (pool.op, pool.output_shape, pool.kernel) == (Operation.GLOBAL_AVG_POOL, (4,), None)


@pytest.mark.parametrize("output", [(1, 8, 8), (8, 8)])
def test_a_mean_over_the_channels_stays_where_there_are_as_many_as_pixels(output):
    builder, x = start((64, 8, 8))
    mean = builder.build([builder.add(Operation.MEAN, [x], output_shape=output)]).nodes[1]
    assert (mean.op, mean.output_shape) == (Operation.MEAN, output)


def test_an_average_over_part_of_the_map_stays():
    builder, x = start()
    graph = builder.build([builder.add(Operation.AVG_POOL, [x], output_shape=(4, 4, 4), kernel=(2, 2))])
    assert graph.nodes[1].op is Operation.AVG_POOL


def test_a_chain_of_additions_is_one_addition():
    builder, x = start()
    a, b, c = (builder.add(Operation.RELU, [x], output_shape=MAP) for _ in range(3))
    ab = builder.add(Operation.ADD, [a, b], output_shape=MAP)
    abc = builder.add(Operation.ADD, [ab, c], output_shape=MAP)
    graph = builder.build([abc])
    assert ops(graph) == ["input", "relu", "relu", "relu", "add", "output"]
    assert graph.nodes[4].inputs == (1, 2, 3)


def test_an_addition_that_something_else_reads_is_kept():
    builder, x = start()
    a, b, c = (builder.add(Operation.RELU, [x], output_shape=MAP) for _ in range(3))
    ab = builder.add(Operation.ADD, [a, b], output_shape=MAP)
    abc = builder.add(Operation.ADD, [ab, c], output_shape=MAP)
    assert ops(builder.build([ab, abc])).count("add") == 2


def test_dead_branches_are_left_out_and_their_parameters_counted_as_unused():
    builder, x = start()
    conv(builder, x, parameters=144)
    alive = conv(builder, x, parameters=144)
    graph = builder.build([alive], total_parameters=300)
    assert ops(graph) == ["input", "conv", "output"]
    assert (graph.parameters, graph.unused_parameters) == (300, 156)


def test_an_added_vector_is_the_bias_of_the_layer_before_it():
    builder, x = start()
    x = conv(builder, x, parameters=144)
    x = builder.add(Operation.ADD, [x], output_shape=MAP, weight_shape=(4,), parameters=4)
    graph = builder.build([x])
    assert ops(graph) == ["input", "conv", "output"]
    node = graph.nodes[1]
    assert isinstance(node, WeightedNode)
    assert (node.bias, node.parameters) == (True, 148)


def test_an_added_map_is_not_a_bias():
    builder, x = start()
    x = conv(builder, x)
    x = builder.add(Operation.ADD, [x], output_shape=MAP, weight_shape=MAP, parameters=256)
    assert ops(builder.build([x])) == ["input", "conv", "add", "output"]


@pytest.mark.parametrize(
    ("gate", "activation"),
    [
        (Operation.SIGMOID, "swish"),
        (Operation.HARD_SIGMOID, "hard_swish"),
        (Operation.RELU6, "hard_swish"),
    ],
)
def test_a_gate_of_the_value_itself_is_an_activation(gate, activation):
    builder, x = start()
    shifted = builder.add(Operation.ADD, [x], output_shape=MAP)
    gated = builder.add(gate, [shifted], output_shape=MAP)
    graph = builder.build([builder.add(Operation.MUL, [gated, x], output_shape=MAP)])
    assert ops(graph) == ["input", activation, "output"]


def test_a_gate_of_something_else_stays_a_product():
    builder, x = start()
    pooled = builder.add(Operation.GLOBAL_AVG_POOL, [x], output_shape=(4,))
    gated = builder.add(Operation.SIGMOID, [pooled], output_shape=(4,))
    graph = builder.build([builder.add(Operation.MUL, [x, gated], output_shape=MAP)])
    assert ops(graph) == ["input", "global_avg_pool", "sigmoid", "mul", "output"]


def test_ids_are_positions_and_input_shapes_follow_the_edges():
    builder, x = start()
    x = builder.add(Operation.IDENTITY, [conv(builder, x)], output_shape=MAP)
    graph = builder.build([builder.add(Operation.GLOBAL_AVG_POOL, [x], output_shape=(4, 1, 1))])
    assert [node.id for node in graph.nodes] == [0, 1, 2, 3]
    assert graph.edges == ((0, 1), (1, 2), (2, 3))
    assert [node.input_shape for node in graph.nodes] == [(), MAP, MAP, (4,)]


def test_operations_outside_the_vocabulary_are_named_in_one_line_with_their_counts():
    builder, x = start()
    for detail in ("fft", "sort", "fft"):
        x = builder.add(Operation.OTHER, [x], output_shape=MAP, detail=detail)
    (warning,) = builder.build([x]).warnings
    assert warning == "operations outside the vocabulary, read as 'other': fft (2x), sort (1x)"
