from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from nas_assistant.errors import UserError
from nas_assistant.graphs import Operation, read_torch

from .conftest import PAIRS, torch_example
from .zoo import MODELS, Branching

IMAGE = (2, 3, 32, 32)
# PyTorch's counter knows neither recurrent layers nor the CPU's attention kernels.
NOT_COUNTED = {"lstm", "encoder"}


def model_and_input(name):
    if name in PAIRS:
        return torch_example(name), torch.randn(IMAGE)
    build, example = MODELS[name]
    return build(), example()


def ops(graph):
    return [node.op.value for node in graph.nodes]


@pytest.mark.parametrize("name", [*PAIRS, *MODELS])
@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_trace_and_export_give_one_graph(name):
    module, example = model_and_input(name)
    traced = read_torch(module, example, method="trace")
    exported = read_torch(module, example, method="export")
    assert traced.is_isomorphic(exported)
    assert (traced.parameters, traced.macs) == (exported.parameters, exported.macs)
    assert traced.warnings == exported.warnings == ()


@pytest.mark.parametrize("name", [*PAIRS, *MODELS])
def test_every_parameter_is_some_nodes(name):
    module, example = model_and_input(name)
    graph = read_torch(module, example)
    assert graph.parameters == sum(p.numel() for p in module.parameters())
    assert graph.unused_parameters == 0


@pytest.mark.parametrize("name", sorted({*PAIRS, *MODELS} - NOT_COUNTED))
def test_macs_agree_with_pytorchs_counter(name):
    module, example = model_and_input(name)
    inputs = example if isinstance(example, tuple) else (example,)
    with FlopCounterMode(display=False) as counter:
        module.eval()(*inputs)
    batch = inputs[0].shape[0]
    assert read_torch(module, example).flops * batch == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_macs_of_a_recurrent_layer():
    module, example = model_and_input("lstm")
    steps, gates = 6, 4 * 16
    assert read_torch(module, example).macs == steps * gates * (12 + 16) + 16 * 4


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_a_recurrent_cell_is_a_node_for_each_step(kind, gates, method):
    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(12, 16)

        def forward(self, x):
            state = None
            for step in range(3):
                state = self.cell(x[:, step], state)
            return state[0] if isinstance(state, tuple) else state

    graph = read_torch(Unrolled(), torch.zeros(2, 3, 12), method=method)
    cells = graph.weighted_nodes
    assert [(n.op, n.macs) for n in cells] == [(Operation.RECURRENT, gates * 16 * (12 + 16))] * 3
    assert [(n.weight_shape, n.bias) for n in cells] == [((gates * 16, 12), True)] * 3
    assert (graph.parameters, graph.warnings) == (gates * 16 * (12 + 16 + 2), ())


@pytest.mark.parametrize("method", ["trace", "export"])
def test_a_bilinear_layer_is_dense(method):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Bilinear(4, 4, 6)

        def forward(self, x):
            return self.layer(x, x)

    (node,) = read_torch(Pair(), torch.zeros(2, 4), method=method).weighted_nodes
    assert (node.op, node.weight_shape, node.bias) == (Operation.DENSE, (6, 4, 4), True)
    assert (node.parameters, node.macs) == (6 * 4 * 4 + 6, 6 * 4 * 4)


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize(
    "product",
    [
        lambda x, w, b: x @ w.t() + b,
        lambda x, w, b: x.matmul(w.T) + b,
        lambda x, w, b: torch.mm(x, w.transpose(0, 1)) + b,
        lambda x, w, b: torch.addmm(b, x, w.t()),
    ],
)
def test_a_product_with_a_transposed_parameter_is_dense(product, method):
    class Net(nn.Module):
        def __init__(self, product):
            super().__init__()
            self.w, self.b = nn.Parameter(torch.randn(5, 8)), nn.Parameter(torch.zeros(5))
            self.product = product

        def forward(self, x):
            return self.product(x, self.w, self.b)

    example = torch.zeros(2, 8)
    graph, twin = (read_torch(Net(p), example, method=method) for p in (product, F.linear))
    assert ops(twin) == ["input", "dense", "output"]
    assert graph.is_isomorphic(twin)
    assert (graph.parameters, graph.macs) == (twin.parameters, twin.macs)


def test_macs_of_multi_head_attention():
    module, example = model_and_input("encoder")
    tokens, width = 7, 16
    attention = 4 * tokens * width * width + 2 * tokens * tokens * width
    assert read_torch(module, example).macs == attention + width * 5


def test_data_dependent_control_flow_is_followed_by_the_trace_alone():
    module, example = Branching(), torch.randn(2, 8)
    with pytest.raises(Exception, match="data-dependent"):
        read_torch(module, example, method="export")
    graph = read_torch(module, example)
    assert ops(graph) == ["input", "dense", "sigmoid", "output"]
    assert graph.parameters == 72
    assert graph.unused_parameters == 36


def test_attributes_of_a_convolution():
    module = nn.Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False)
    graph = read_torch(module, torch.zeros(1, 4, 16, 16))
    node = graph.nodes[1]
    assert (node.op, node.kernel, node.stride) == (Operation.CONV, (3, 5), (2, 1))
    assert (node.padding, node.dilation, node.groups) == ((1, 2, 1, 2), (1, 2), 2)
    assert (node.weight_shape, node.bias) == ((8, 2, 3, 5), False)
    assert (node.input_shape, node.output_shape) == ((4, 16, 16), (8, 8, 12))
    assert node.macs == 8 * 8 * 12 * 2 * 15


def test_odd_same_padding_puts_the_larger_part_after():
    graph = read_torch(nn.Conv2d(1, 1, 4, padding="same"), torch.zeros(1, 1, 8, 8))
    assert graph.nodes[1].padding == (1, 1, 2, 2)


class Padded(nn.Module):
    def __init__(self, pad, mode):
        super().__init__()
        self.pad, self.mode = pad, mode

    def forward(self, x):
        return torch.relu(nn.functional.pad(x, self.pad, mode=self.mode))


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_padding_by_nothing_is_left_out(mode, method):
    image = torch.randn(2, 3, 8, 8)
    assert ops(read_torch(Padded([0, 0, 0, 0], mode), image, method=method)) == ["input", "relu", "output"]
    # What is cut off on one side and added on the other moves the image.
    assert ops(read_torch(Padded([1, -1, 0, 0], "constant"), image, method=method))[1] == "pad"


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_dropout_of_nothing_is_left_out(layer, method):
    for rate, found in ((0.0, []), (0.5, ["dropout"])):
        graph = read_torch(nn.Sequential(layer(rate), nn.ReLU()), torch.zeros(2, 3, 8, 8), method=method)
        assert ops(graph) == ["input", *found, "relu", "output"]


def test_a_shared_layer_is_a_node_for_each_call_and_counted_once():
    module, example = model_and_input("shared")
    graph = read_torch(module, example)
    calls = [node for node in graph.nodes if node.layer == "conv"]
    assert [node.parameters for node in calls] == [584, 0, 0]


@pytest.mark.parametrize("method", ["trace", "export"])
def test_frozen_weights_count_as_any_other(method):
    module, example = torch_example("cnn"), torch.randn(IMAGE)
    whole = read_torch(module, example, method=method)
    assert read_torch(module.requires_grad_(False), example, method=method) == whole


def test_a_depthwise_convolution_is_told_from_a_grouped_one():
    depthwise = read_torch(nn.Conv2d(4, 8, 3, groups=4), torch.zeros(1, 4, 8, 8))
    grouped = read_torch(nn.Conv2d(4, 8, 3, groups=2), torch.zeros(1, 4, 8, 8))
    assert depthwise.nodes[1].op is Operation.DEPTHWISE_CONV
    assert grouped.nodes[1].op is Operation.CONV


@pytest.mark.parametrize("method", ["trace", "export"])
def test_cross_attention_reads_the_queries_and_the_keys(method):
    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x, y):
            return self.attention(x, y, y, need_weights=False)[0]

    graph = read_torch(Cross(), (torch.zeros(2, 3, 8), torch.zeros(2, 5, 8)), method=method)
    assert ops(graph) == ["input", "input", "attention", "output"]
    assert graph.nodes[2].inputs == (0, 1)


@pytest.mark.parametrize("method", ["trace", "export"])
def test_a_shared_attention_layer_is_a_node_for_each_call(method):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            first = self.attention(x, x, x, need_weights=False)[0]
            second = self.attention(x, first, first, need_weights=False)[0]
            return second

    graph = read_torch(Twice(), torch.zeros(2, 3, 8), method=method)
    assert ops(graph) == ["input", "attention", "attention", "output"]
    assert graph.nodes[2].inputs == (0, 1)
    assert graph.parameters == 4 * 64 + 4 * 8


def test_meta_modules_are_read_without_computing():
    with torch.device("meta"):
        module = torch_example("residual")
        graph = read_torch(module, torch.empty(IMAGE))
    assert graph.is_isomorphic(read_torch(torch_example("residual"), torch.zeros(IMAGE)))


def test_an_operation_outside_the_vocabulary_is_read_and_named():
    class Spectral(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x).abs()

    graph = read_torch(Spectral(), torch.zeros(1, 8))
    assert ops(graph) == ["input", "other", "other", "output"]
    assert any("fft_rfft" in warning or "rfft" in warning for warning in graph.warnings)


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize("make", [torch.ones_like, torch.empty_like, lambda x: x.new_zeros(8)])
def test_what_takes_its_size_alone_from_a_tensor_is_a_constant(make, method):
    class Net(nn.Module):
        def forward(self, x):
            return torch.relu(x + make(x))

    graph = read_torch(Net(), torch.zeros(2, 8), method=method)
    assert (ops(graph), graph.warnings) == (["input", "relu", "output"], ())


def test_what_is_written_into_a_tensor_is_part_of_it():
    class Scattered(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            result = torch.zeros(x.shape[0], 6)
            result[:, :3] = self.left(x)
            result[:, 3:] += self.right(x)
            return torch.relu(result)

    graph = read_torch(Scattered(), torch.zeros(2, 4))
    written = ["dense", "other", "split", "dense", "add", "other"]
    assert ops(graph) == ["input", *written, "relu", "output"]
    assert graph.nodes[6].inputs == (2, 5)
    assert graph.parameters == 30
    assert graph.unused_parameters == 0
    assert "setitem (2x)" in graph.warnings[0]


def test_an_output_that_was_not_seen_to_depend_on_the_input_is_told():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.tensor(x.numpy() * 2)

    graph = read_torch(Constant(), torch.zeros(2, 4))
    assert "compute the output from the input" in graph.warnings[0]


def test_the_module_is_left_as_it_was():
    module = torch_example("cnn").train()
    module.drop1.eval()
    read_torch(module, torch.zeros(IMAGE))
    assert module.training
    assert not module.drop1.training
    assert all(p.grad is None for p in module.parameters())


def test_a_wrong_input_is_one_line_with_the_shape_and_nothing_is_logged(caplog):
    with pytest.raises(UserError) as raised:
        read_torch(torch_example("cnn"), torch.zeros(2, 3, 16, 16))
    assert "(2, 3, 16, 16)" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("other", ["net.py", nn.Linear])
def test_what_is_no_module_is_refused(other):
    with pytest.raises(UserError, match=r"give a PyTorch module such as Net\(\), not "):
        read_torch(other, torch.zeros(2, 3))


class Spatial(nn.Module):
    """The spatial attention of CBAM, which reduces over the channels."""

    def forward(self, x):
        return torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)


@pytest.mark.parametrize("method", ["trace", "export"])
@pytest.mark.parametrize("channels", [63, 64])
def test_a_reduction_over_the_channels_is_no_pool(channels, method):
    graph = read_torch(Spatial(), torch.zeros(2, channels, 8, 8), method=method)
    assert ops(graph) == ["input", "mean", "other", "concat", "output"]
    assert [node.output_shape for node in graph.nodes[1:3]] == [(1, 8, 8)] * 2


class Response(nn.Module):
    """The global response normalisation of ConvNeXt V2."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.conv(x)
        strength = x.mean((2, 3), keepdim=True)
        return x * (strength / strength.mean(1, keepdim=True))


@pytest.mark.parametrize("method", ["trace", "export"])
def test_a_mean_over_the_channels_of_a_pooled_map_is_no_pool(method):
    graph = read_torch(Response(), torch.randn(2, 3, 8, 8), method=method)
    assert ops(graph) == ["input", "conv", "global_avg_pool", "mean", "mul", "mul", "output"]


def test_layers_of_a_plain_list_are_told():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = [nn.Conv2d(3, 4, 3)]
            self.head = nn.Conv2d(4, 2, 3)

        def forward(self, x):
            return self.head(self.convs[0](x))

    (told,) = read_torch(Listed(), torch.randn(2, 3, 8, 8)).warnings
    assert (
        "112 parameters are of layers that the model does not know of, such as those in a plain list" in told
    )
