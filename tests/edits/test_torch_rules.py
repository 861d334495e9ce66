"""Which edits a PyTorch file has not, since a user would not make them, and what goes along with others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_assistant.edits import EditError
from nas_assistant.graphs import Operation

from .bench import choose
from .test_torch_operations import SEQUENTIAL


def test_a_layer_whose_attributes_are_read_is_not_wrapped(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace(
        "        self.out =", "        nn.init.zeros_(self.fc.bias)\n        self.out ="
    )
    edits = torch_bench(source).edits
    assert not [
        edit for edit in edits if edit.layer == "fc" and edit.operation in ("add_norm", "insert_block")
    ]
    assert [edit for edit in edits if edit.layer == "fc" and edit.operation == "widen"]


@pytest.mark.parametrize(
    "use", ["def kernel(net):\n    return net.fc.weight\n", "print(Net().fc.weight[0])\n"]
)
def test_nor_one_whose_attributes_are_read_of_another_object(torch_bench: Callable, use: str) -> None:
    named = SEQUENTIAL.replace(
        "self.fc = nn.Linear(24 * 2 * 2, 32)", 'self.add_module("fc", nn.Linear(96, 32))'
    )
    for source in (SEQUENTIAL, named):
        wraps = {"add_norm", "insert_block", "repeat_layer"}
        assert wraps & {edit.operation for edit in torch_bench(source).edits if edit.layer == "fc"}
        edits = torch_bench(f"{source}\n\n{use}").edits
        assert not wraps & {edit.operation for edit in edits if edit.layer == "fc"}


SEPARABLE = """\
from torch import nn


class Unit(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.down = nn.Conv2d(outputs, outputs, 3, stride, 1)
        self.same = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, x):
        x = self.depthwise(x)
        x = self.pointwise(x).relu()
        x = self.down(x).relu()
        x = self.same(x)
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.units = nn.Sequential(Unit(8, 8), Unit(8, 8))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.ReLU6())
        self.left = nn.Conv2d(8, 5, 1)
        self.right = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        x = self.units(self.stem(x))
        x = (x * self.gate(x)).mean((2, 3), keepdim=True)
        return torch.cat([self.left(x), self.right(x)], 1).flatten(1)
""".replace("from torch import nn", "import torch\nfrom torch import nn", 1)


def test_edits_hold_for_any_arguments_of_a_class_and_leave_what_gates_or_gives_the_output(
    torch_bench: Callable,
) -> None:
    found = {(edit.operation, edit.layer) for edit in torch_bench(SEPARABLE).edits}
    layers = {name: {layer for operation, layer in found if operation == name} for name, _ in found}
    # A depthwise convolution is half of a layer, `down` may have a stride, `pointwise` other channels.
    assert layers["remove_layer"] == {"units.0.same"} and layers["add_skip"] == {
        "units.0.depthwise",
        "units.0.same",
    }
    edits = torch_bench(SEPARABLE).edits
    kernels = {
        edit.arguments["to"]
        for edit in edits
        if edit.operation == "change_kernel" and edit.layer == "units.0.depthwise"
    }
    assert kernels == {"5x5"}
    assert not layers.get("change_activation", set()) & {"gate.2"}
    assert not {operation for operation, layer in found if layer == "gate.1"} & {
        "change_kernel",
        "insert_block",
    }
    twice = SEPARABLE.replace("x = self.same(x)", "x = self.same(x) + x")
    assert "units.0.same" not in {e.layer for e in torch_bench(twice).edits if e.operation == "add_skip"}
    assert not layers["add_norm"] & {"left", "right"}
    assert "units.0.same" in layers["repeat_layer"] and "units.0.down" not in layers["repeat_layer"]


HELPER = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = self.conv(3), self.conv(8)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 10)

    def conv(self, inputs):
        return nn.Conv2d(inputs, 8, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.norm(self.first(x)).relu()
        return self.head(self.second(x).relu().mean((2, 3)))
"""


def test_a_helper_with_a_norm_behind_some_of_its_layers_gets_no_more(torch_bench: Callable) -> None:
    assert not [edit for edit in torch_bench(HELPER).edits if edit.operation == "insert_block"]
    every = HELPER.replace("self.second(x)", "self.norm2(self.second(x))").replace(
        "        self.head =", "        self.norm2 = nn.BatchNorm2d(8)\n        self.head ="
    )
    assert torch_bench(every).edited("insert_block", block="conv-bn") == [
        "-        return nn.Conv2d(inputs, 8, 3, padding=1, bias=False)",
        "+        return nn.Sequential(",
        "+            nn.Conv2d(inputs, 8, 3, padding=1, bias=False),",
        "+            nn.BatchNorm2d(8),",
        "+            nn.ReLU(),",
        "+            nn.Conv2d(8, 8, kernel_size=3, padding=1, bias=False),",
        "+        )",
    ]


def test_a_module_that_runs_again_gets_no_norm(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace("self.features(x))", "self.features(x) + self.features(-x))")
    edits = [edit for edit in torch_bench(source).edits if edit.layer.startswith("features")]
    assert not {edit.operation for edit in edits} & {"add_norm", "insert_block"}
    assert "widen" in {edit.operation for edit in edits}


NORMED = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10))

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))
"""


def test_a_layer_without_its_norm_gets_its_bias_back(torch_bench: Callable) -> None:
    assert torch_bench(NORMED).edited("drop_norm", "norm") == [
        "-        self.conv = nn.Conv2d(3, 8, 3, bias=False)",
        "-        self.norm = nn.BatchNorm2d(8)",
        "+        self.conv = nn.Conv2d(3, 8, 3)",
        "+        self.norm = nn.Identity()",
    ]


PAIRS = """\
from collections import OrderedDict

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(OrderedDict([
            ("conv", nn.Conv2d(3, 8, 3, padding=1, bias=False)),
            ("norm", nn.BatchNorm2d(8)),
            ("relu", nn.ReLU()),
            ("other", nn.BatchNorm2d(8)),
        ]))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
"""


def test_a_named_entry_goes_whole_where_nothing_reads_its_name(torch_bench: Callable) -> None:
    first = [
        '-            ("conv", nn.Conv2d(3, 8, 3, padding=1, bias=False)),',
        '-            ("norm", nn.BatchNorm2d(8)),',
        '+            ("conv", nn.Conv2d(3, 8, 3, padding=1)),',
    ]
    assert torch_bench(PAIRS).edited("drop_norm", "features.norm") == first
    for read in ("self.features.norm(x)", 'getattr(self.features, "norm")(x)'):
        named = torch_bench(
            PAIRS.replace(
                "    def forward", f"    def other(self, x):\n        return {read}\n\n    def forward"
            )
        )
        assert '+            ("norm", nn.Identity()),' in named.edited("drop_norm", "features.norm")


def test_the_bias_comes_back_from_behind_an_activation(torch_bench: Callable) -> None:
    late = PAIRS.replace('            ("norm", nn.BatchNorm2d(8)),\n', "")
    late = late.replace(
        "nn.BatchNorm2d(8)),\n", 'nn.BatchNorm2d(8)),\n            ("last", nn.BatchNorm2d(8)),\n'
    )
    assert torch_bench(late).edited("drop_norm", "features.other")[0].startswith('-            ("conv"')


def test_what_counts_on_a_norm_does_not_go_with_its_end(torch_bench: Callable) -> None:
    bench = torch_bench(
        PAIRS.replace("3, 8, 3, padding=1, bias=False", "3, 3, 3, padding=1, bias=False")
        .replace("BatchNorm2d(8)", "BatchNorm2d(3)")
        .replace("nn.Linear(8", "nn.Linear(3")
    )
    drop = choose(bench.edits, "drop_norm", "features.norm")
    for edit in (
        choose(bench.edits, "insert_block", "features.conv", block="conv-bn"),
        choose(bench.edits, "repeat_layer", "features.conv"),
    ):
        with pytest.raises(EditError, match="does not go together"):
            bench.apply(drop, edit)


def test_a_block_before_an_activation_and_its_norm_keeps_its_bias(torch_bench: Callable) -> None:
    late = PAIRS.replace('            ("norm", nn.BatchNorm2d(8)),\n', "")
    for block, kernel in (("conv-bn", 3), ("separable", 1)):
        lines = torch_bench(late).edited("insert_block", "features.conv", block=block)
        made = [line for line in lines if "nn.Conv2d(8, 8" in line]
        assert f"kernel_size={kernel}" in made[-1] and "bias=False" not in made[-1]


LATE_NORM = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        x = torch.cat([self.conv(x), x], 1)
        return self.head(self.norm(x).relu().mean((2, 3)))
"""


def test_no_convolution_is_left_without_norm_and_bias_before_a_new_activation(torch_bench: Callable) -> None:
    bench = torch_bench(LATE_NORM)
    assert bench.edited("insert_block", "conv", block="conv-bn")[1:] == [
        "+        self.conv = nn.Sequential(",
        "+            nn.Conv2d(3, 3, 3, padding=1, bias=False),",
        "+            nn.BatchNorm2d(3),",
        "+            nn.ReLU(),",
        "+            nn.Conv2d(3, 3, kernel_size=3, padding=1, bias=False),",
        "+        )",
    ]
    assert bench.edited("repeat_layer", "conv")[1:] == [
        "+        self.conv = nn.Sequential(",
        "+            nn.Conv2d(3, 3, 3, padding=1),",
        "+            nn.ReLU(),",
        "+            nn.Conv2d(3, 3, 3, padding=1, bias=False),",
        "+        )",
    ]


def test_a_norm_stays_where_layers_are_normalised_throughout(torch_bench: Callable) -> None:
    def sites(source: str) -> set[str]:
        return {edit.layer for edit in torch_bench(source).edits if edit.operation == "drop_norm"}

    short = NORMED.replace("nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), ", "")
    assert sites(NORMED) == {"norm"} and not sites(short)
    assert sites(short.replace("nn.BatchNorm2d(8)", "nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8))"))


def test_a_norm_stays_where_the_bias_cannot_come_back(torch_bench: Callable) -> None:
    positional = NORMED.replace("bias=False", "1, 0, 1, 1, False")
    for source in (positional, HELPER):
        assert not [edit for edit in torch_bench(source).edits if edit.operation == "drop_norm"]


def test_a_stride_that_keeps_the_size_is_none(torch_bench: Callable) -> None:
    source = NORMED.replace("nn.Conv2d(3, 8, 3, bias=False)", "nn.Conv2d(3, 8, 4, stride=2)")
    strides = [
        [edit for edit in torch_bench(source, shape=shape).edits if edit.operation == "change_stride"]
        for shape in ((3, 4, 4), (3, 8, 8))
    ]
    assert [len(edits) for edits in strides] == [0, 1]


INITIALISED = SEQUENTIAL.replace(
    "\n    def forward",
    """
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.zeros_(m.bias)

    def forward""",
)


MATCHED = INITIALISED.replace(
    "if isinstance(m, nn.Conv2d):", "match m:\n                case nn.Conv2d():"
).replace("                nn.init", " " * 20 + "nn.init")


@pytest.mark.parametrize("source", [INITIALISED, MATCHED], ids=["if", "match"])
def test_layers_have_the_bias_that_the_file_sets(torch_bench: Callable, source: str) -> None:
    bench = torch_bench(source)
    assert "+            nn.Conv2d(16, 16, kernel_size=3, padding=1)," in bench.edited(
        "insert_block", "features.0", block="conv-bn"
    )
    assert "bias=False" not in "".join(bench.edited("swap_conv", "features.6"))


@pytest.mark.parametrize(
    "source",
    [
        INITIALISED.replace("nn.Conv2d):", "nn.Conv2d) and m.bias is not None:"),
        INITIALISED.replace("(m, nn.Conv2d):", "(m, nn.BatchNorm2d):"),
        INITIALISED.replace(
            "                nn.init", "                if m.bias is not None:\n" + " " * 20 + "nn.init"
        ),
        MATCHED.replace("nn.Conv2d()", "nn.BatchNorm2d()"),
        MATCHED.replace("nn.Conv2d()", "nn.Conv2d() if m.bias is not None"),
    ],
)
def test_a_file_that_minds_missing_biases_lets_them_be_left_out(torch_bench: Callable, source: str) -> None:
    assert "bias=False" in "".join(torch_bench(source).edited("swap_conv", "features.6"))


RECURRENT = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(8, 8)
        self.split = Split()
        self.gru = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.mix(x)
        x, _ = self.split(x)
        x, _ = self.gru(x)
        y = self.gru(x)
        return self.head(y[0].mean(1))


class Split(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(x), None
"""


def test_no_skip_around_what_gives_a_tuple(torch_bench: Callable) -> None:
    bench = torch_bench(RECURRENT, shape=(5, 8))
    skips = {edit.arguments["what"] for edit in bench.edits if edit.operation == "add_skip"}
    assert skips == {"self.mix(x) + x", "self.fc(x) + x"}


@pytest.mark.parametrize(("dilation", "padding"), [("2", "2"), ("(2, 1)", "(2, 1)")])
def test_a_kernel_with_another_dilation_on_each_axis_stays(
    torch_bench: Callable, dilation: str, padding: str
) -> None:
    source = f"""\
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3, padding={padding}, dilation={dilation}), nn.Flatten())
"""
    bench = torch_bench(source)
    found = [
        bench.apply(edit) for edit in bench.edits if edit.operation == "change_kernel" and edit.shape_safe
    ]
    assert bool(found) == (dilation == "2")
    for text in found:
        bench.check(text)


OWN = """\
import torch.nn.functional as F
from torch import nn


class Same(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(F.pad(x, [1, 1, 1, 1]), self.weight, self.bias, self.stride)


class Down(nn.Conv2d):
    def forward(self, x):
        return super().forward(F.max_pool2d(x, 2))


class Wide(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(channels, 2 * channels, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.same = Same(3, 8, 3)
        self.down = Down(8, 8, 3, padding=1)
        self.wide = Wide(8)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.wide(self.down(self.same(x).relu()).relu()).relu()
        return self.head(x.mean((2, 3)))
"""


def test_a_class_of_the_file_that_extends_a_layer_is_edited_like_it_as_far_as_is_known(
    torch_bench: Callable,
) -> None:
    bench = torch_bench(OWN)
    made = {
        layer: {edit.operation for edit in bench.edits if edit.layer == layer}
        for layer in ("same", "down", "wide")
    }
    assert {"insert_block", "add_norm"} <= made["same"]
    # Its forward pass pads for the kernel that it knows.
    assert not made["same"] & {"change_kernel", "change_stride", "swap_conv"}
    # One does more than a convolution, the other is constructed in a way of its own.
    assert made["down"] <= {"swap_pool"} and not made["wide"]
    assert bench.edited("add_norm", "same") == [
        "-        self.same = Same(3, 8, 3)",
        "+        self.same = nn.Sequential(Same(3, 8, 3), nn.BatchNorm2d(8))",
    ]


LAYER_NORMED = """\
from torch import nn


class LayerNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.pointwise = nn.Linear(width, width)

    def forward(self, x):
        y = self.depthwise(x).permute(0, 2, 3, 1)
        return x + self.pointwise(self.norm(y).relu()).permute(0, 3, 1, 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), LayerNorm(8))
        self.block = Block(8)
        self.tokens = nn.Conv2d(8, 8, 4, stride=4)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.tokens(self.block(self.stem(x))).flatten(2).transpose(1, 2)
        return self.head((x + self.norm(x)).mean(1))
"""


def test_a_norm_of_any_kind_behind_what_rearranges_is_the_layers_own(torch_bench: Callable) -> None:
    bench = torch_bench(LAYER_NORMED)
    assert not [edit for edit in bench.edits if edit.operation == "add_norm"]
    for layer in ("stem.0", "tokens"):
        text = "".join(bench.edited("insert_block", layer, block="conv-bn"))
        assert text.index("nn.BatchNorm2d(8)") < text.index("kernel_size=3")


ACTIVE_FIRST = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 1),
            nn.GELU(),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 1),
            nn.GELU(),
            nn.BatchNorm2d(8),
        )
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


def test_a_norm_behind_the_activation_keeps_its_place(torch_bench: Callable) -> None:
    bench = torch_bench(ACTIVE_FIRST)
    assert not [edit for edit in bench.edits if edit.operation == "add_norm"]
    grown = [
        choose(bench.edits, "insert_block", "body.0", block="conv-bn"),
        choose(bench.edits, "repeat_layer", "body.3"),
    ]
    for edit in grown:
        after = bench.check(bench.apply(edit))
        ops = [node.op for node in after if node.layer.startswith("body")]
        assert ops == [Operation.CONV, Operation.GELU, Operation.BATCH_NORM] * 3


THIN = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Conv2d(3, 8, (2, 8))
        self.mix = nn.Conv2d(8, 8, 1)
        self.wide = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        words = self.mix(self.words(x).relu()).relu()
        return self.head(words.amax((2, 3)) + self.wide(x).relu().amax((2, 3)))
"""


def test_no_kernel_meets_padding_alone_in_some_of_its_columns(torch_bench: Callable) -> None:
    bench = torch_bench(THIN, shape=(3, 16, 8))
    assert {edit.layer for edit in bench.edits if edit.operation == "insert_block"} == {"wide"}
    grown = [
        edit.layer
        for edit in bench.edits
        if edit.operation == "change_kernel" and edit.arguments["to"] == "3x3"
    ]
    assert not grown
    for width, found in ((2, {"1x1"}), (3, {"1x1", "5x5"})):
        source = THIN.replace("(2, 8)", f"(2, {width})")
        edits = torch_bench(source, shape=(3, 16, width)).edits
        assert {
            e.arguments["to"] for e in edits if (e.operation, e.layer) == ("change_kernel", "wide")
        } == found


ATTENTION = """\
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.project = nn.Linear(8, 8)
        self.hidden = nn.Linear(8, 8)
        self.pooled = nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        q = self.query(x)
        y = ATTEND
        x = x + self.project(y.transpose(1, 2).contiguous().transpose(1, 2))
        x = x + self.hidden(x.relu()).relu()
        weights = x.mean(2, keepdim=True).softmax(1).transpose(1, 2)
        return self.head(self.pooled((weights @ x).flatten(1)).relu())
"""


@pytest.mark.parametrize(
    "attend", ["(q @ q.transpose(1, 2)).softmax(-1) @ q", "F.scaled_dot_product_attention(q, q, q)"]
)
def test_a_projection_behind_an_attention_stays_linear(torch_bench: Callable, attend: str) -> None:
    edits = torch_bench(ATTENTION.replace("ATTEND", attend), shape=(5, 8)).edits
    grown = {edit.layer for edit in edits if edit.operation in ("repeat_layer", "insert_block")}
    assert "hidden" in grown and not grown & {"project", "pooled"}


COUNTED = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, n=10):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), *[nn.Conv2d(8, 8, 1) for _ in range(n)])
        self.head = nn.Linear(8, n)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


def test_a_count_that_is_the_number_of_classes_too_stays(torch_bench: Callable) -> None:
    local = COUNTED.replace(", n=10", "").replace("        self.body", "        n = 10\n        self.body")
    attribute = local.replace("n = 10", "self.n = 10").replace("(n)", "(self.n)").replace(" n)", " self.n)")
    for source, classes in ((COUNTED, "n"), (local, "n"), (attribute, "self.n")):
        other = source.replace(f"nn.Linear(8, {classes})", "nn.Linear(8, 10)")
        for text, offered in ((source, set()), (other, {9, 11})):
            repeats = [edit for edit in torch_bench(text).edits if edit.operation == "change_repeats"]
            assert {edit.arguments["to"] for edit in repeats} == offered


RESIDUAL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.Conv2d(8, 8, 1)
        self.more = nn.Conv2d(8, 8, 3, padding=1)
        self.drop = nn.Dropout(0.1)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.unit(self.stem(x).relu())
        x = self.more(x)
        return self.head(x.mean((2, 3)))

    def unit(self, x):
        BODY
"""


@pytest.mark.parametrize(
    ("body", "residual"),
    [
        ("y = self.block(x); return x + y", True),
        ("y = self.block(x); y = self.drop(self.norm(y)); x = x.relu(); return (x + y).relu()", True),
        ("y = x; x = self.norm(x).relu(); x = self.block(x); x += y; return x", True),
        ("y = self.block(x); return x + self.scale * y", True),
        ("y = self.block(x); return y + self.norm(y) + x", True),
        ("y = self.block(x); return y", False),
        ("y = self.block(x); return y + self.norm(y)", False),
        ("y = self.block(x); return self.stem(y[:, :3]) + self.stem(x[:, :3])", False),
    ],
)
def test_no_skip_where_the_input_is_added_already(torch_bench: Callable, body: str, residual: bool) -> None:
    source = RESIDUAL.replace("        BODY", "\n".join(f"        {line}" for line in body.split("; ")))
    skips = {edit.layer for edit in torch_bench(source).edits if edit.operation == "add_skip"}
    assert skips == ({"more"} if residual else {"block", "more"})


def test_nor_around_a_layer_that_adds_it_itself(torch_bench: Callable) -> None:
    source = RECURRENT.replace("nn.GRU(8, 8, batch_first=True)", "LAYER").replace("y = self.gru(x)", "y = x,")
    source = source.replace("x, _ = self.gru(x)", "x = self.gru(x)")
    for layer, more in (
        ("nn.Sequential(nn.Linear(8, 8), nn.ReLU())", {"self.gru(x) + x"}),
        ("nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)", set()),
    ):
        edits = torch_bench(source.replace("LAYER", layer), shape=(5, 8)).edits
        skips = {edit.arguments["what"] for edit in edits if edit.operation == "add_skip"}
        assert skips == {"self.mix(x) + x", "self.fc(x) + x"} | more


TABLE = """\
from collections import OrderedDict
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, name="relu"):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.act = ACT
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.act(self.stem(x)).mean((2, 3)))
"""


@pytest.mark.parametrize(
    ("act", "table"),
    [
        ("{'relu': nn.ReLU(), 'lrelu': nn.LeakyReLU(0.1)}[name]", True),
        ("{'relu': lambda: nn.ReLU()}[name]()", True),
        ("{'relu': lambda x: F.relu(x)}[name]", True),
        ("dict(relu=nn.ReLU(), lrelu=nn.LeakyReLU(0.1))[name]", True),
        ("nn.ModuleDict({'relu': nn.ReLU()})[name]", True),
        ("nn.ModuleDict([['lrelu', nn.LeakyReLU()], ['relu', nn.ReLU()]])[name]", True),
        ("{'max': nn.MaxPool2d(3, 1, 1), 'relu': nn.AvgPool2d(3, 1, 1)}[name]", True),
        ("nn.ReLU() if name == 'relu' else nn.MaxPool2d(3, 1, 1)", True),
        ("nn.GELU() if 'relu' != name else nn.ReLU()", True),
        ("nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1)) if len(name) == 4 else None", False),
        ("nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1)) if __name__ == 'model' else None", False),
        ("nn.Sequential(OrderedDict([('one', nn.ReLU()), ('two', nn.MaxPool2d(3, 1, 1))]))", False),
        ("nn.Sequential(OrderedDict({'one': nn.ReLU(), 'two': nn.MaxPool2d(3, 1, 1)}))", False),
        ("nn.ModuleDict({'relu': nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1))})[name]", False),
    ],
)
def test_what_a_table_holds_by_its_name_stays(torch_bench: Callable, act: str, table: bool) -> None:
    operations = {edit.operation for edit in torch_bench(TABLE.replace("ACT", act)).edits}
    changing = {"change_activation", "swap_pool"}
    assert operations & changing == (set() if table else changing)
    assert not table or not operations & {"remove_layer", "add_dropout"}


TOKENS = """\
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.qkv = nn.Linear(8, 24)
        self.keys = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.value = nn.Linear(8, 8)
        self.project = nn.Linear(8, 8)
        self.up = nn.Linear(8, 16)
        self.act = nn.GELU()
        self.down = nn.Linear(16, 8)
        self.conv = nn.Conv2d(8, 8, 1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.embed(x)
        q, k, v = self.qkv(x).chunk(3, -1)
        k = self.norm(self.keys(k)) * 0.5
        y = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        y = F.scaled_dot_product_attention(y, y, self.value(y).transpose(-2, -1).transpose(-2, -1))
        x = x + self.project(y)
        x = x + self.down(self.act(self.up(x)))
        return self.head(self.relu(self.conv(x.permute(0, 3, 1, 2))).mean((2, 3)))
"""


def test_a_dense_layer_of_tokens_has_its_own_dropout_and_a_projection_none(torch_bench: Callable) -> None:
    bench = torch_bench(TOKENS, shape=(4, 5, 8))
    lines = {
        e.layer: bench.edited("add_dropout", e.layer) for e in bench.edits if e.operation == "add_dropout"
    }
    assert set(lines) == {"embed", "project", "act", "down", "relu"}
    assert lines["down"][1] == "+        self.down = nn.Sequential(nn.Linear(16, 8), nn.Dropout(0.1))"
    assert lines["act"][1] == "+        self.act = nn.Sequential(nn.GELU(), nn.Dropout(0.1))"
    assert lines["relu"][1] == "+        self.relu = nn.Sequential(nn.ReLU(), nn.Dropout2d(0.1))"


SHARED = """\
from torch import nn


class Unit(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.active = nn.SiLU()

    def forward(self, x):
        return self.active(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.swish = nn.SiLU()
        self.units = nn.ModuleList([Unit() for _ in range(2)])
        self.last = nn.Conv2d(8, 8, 1)
        self.act = nn.GELU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.swish(self.stem(x))
        for unit in self.units:
            x = unit(x)
        x = self.act(self.last(x))
        return self.head(self.drop(self.pool(x).flatten(1)))
"""


def test_dropout_comes_in_where_it_is_told_and_not_twice(torch_bench: Callable) -> None:
    def dropped(source: str) -> set[str]:
        return {edit.layer for edit in torch_bench(source).edits if edit.operation == "add_dropout"}

    assert dropped(SHARED) == {"swish", "units.0.active"}
    assert dropped(SHARED.replace("self.drop(self.pool(x)", "(self.pool(x)")) == {
        "swish",
        "units.0.active",
        "act",
    }
    several = SHARED.replace("self.last(x)", "self.swish(self.last(x))")
    assert dropped(several) == {"units.0.active"}
    assert dropped(SHARED.replace("x = unit(x)", "x = unit(unit(x))")) == {"swish"}


MOBILE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.plain = nn.Conv2d(8, 8, 1)
        self.between = nn.Conv2d(8, 8, 3, padding=1)
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.BatchNorm2d(16), nn.ReLU6())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Sigmoid())
        self.project = nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.between(self.plain(self.stem(x)).relu()).relu()
        x = self.depthwise(self.expand(x))
        x = self.project(x * self.gate(x))
        return self.head(x.mean((2, 3)))
"""


def test_a_pointwise_half_stays_pointwise(torch_bench: Callable) -> None:
    source = MOBILE.replace(", nn.BatchNorm2d(16), nn.ReLU6())\n        self.gate", ")\n        self.gate")
    for text in (MOBILE, source):
        kernels = [edit for edit in torch_bench(text).edits if edit.operation == "change_kernel"]
        assert {edit.layer for edit in kernels} == {"stem", "plain", "between", "depthwise.0"}
