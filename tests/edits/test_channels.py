"""Which layers and literals change together."""

from __future__ import annotations

from collections.abc import Callable

from .bench import choose

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn

{constants}
class Net(nn.Module):
    def __init__(self{parameters}):
        super().__init__()
{init}

    def forward(self, x):
{forward}
"""


def net(init: str, forward: str, constants: str = "", parameters: str = "") -> str:
    def indented(text: str) -> str:
        return "\n".join(" " * 8 + line for line in text.strip().splitlines())

    return HEAD.format(
        init=indented(init), forward=indented(forward), constants=constants, parameters=parameters
    )


CHAIN = """
x = F.relu(self.a(x))
x = F.relu(self.b(x))
return self.out(torch.flatten(F.adaptive_avg_pool2d(x, 2), 1))
"""


def widened(lines: list[str]) -> list[str]:
    return [line[1:].strip() for line in lines if line[0] == "+"]


def test_a_local_variable_that_is_set_again(torch_bench: Callable) -> None:
    init = """
width = 8
self.a = nn.Conv2d(3, width, 3)
before = width
width = 16
self.b = nn.Conv2d(before, width, 3)
features = width * 2 * 2
self.out = nn.Linear(features, 10)
"""
    bench = torch_bench(net(init, CHAIN))
    assert widened(bench.edited("widen", "a", to=12)) == ["width = 12"]
    assert widened(bench.edited("widen", "b", to=24)) == ["width = 24"]


def test_a_constant_of_the_file_and_an_attribute(torch_bench: Callable) -> None:
    init = """
self.width = 16
self.a = nn.Conv2d(3, WIDTH, 3)
self.b = nn.Conv2d(WIDTH, self.width, 3)
self.out = nn.Linear(64, 10)
"""
    bench = torch_bench(net(init, CHAIN, constants="WIDTH = 8\n"))
    assert widened(bench.edited("widen", "a", to=12)) == ["WIDTH = 12"]
    assert widened(bench.edited("widen", "b", to=24)) == ["self.width = 24", "self.out = nn.Linear(96, 10)"]


def test_a_number_with_another_use_stays(torch_bench: Callable) -> None:
    init = """
width = 8
self.a = nn.Conv2d(3, width, 3)
self.b = nn.Conv2d(width, 16, 3)
self.scale = float(width)
self.out = nn.Linear(64, 10)
"""
    edits = torch_bench(net(init, CHAIN)).edits
    assert {edit.layer for edit in edits if edit.operation == "widen"} == {"b"}


def test_a_number_set_under_a_condition_stays(torch_bench: Callable) -> None:
    init = """
width = 8
if self.training:
    width = 12
self.a = nn.Conv2d(3, width, 3)
self.b = nn.Conv2d(width, 16, 3)
self.out = nn.Linear(64, 10)
"""
    edits = torch_bench(net(init, CHAIN)).edits
    assert {edit.layer for edit in edits if edit.operation == "widen"} == {"b"}


def test_a_multiple_of_another_width_keeps_its_number(torch_bench: Callable) -> None:
    init = """
width = 8
self.a = nn.Conv2d(3, width, 3)
self.b = nn.Conv2d(width, width * 2, 3)
self.out = nn.Linear(width * 8, 10)
"""
    bench = torch_bench(net(init, CHAIN))
    assert widened(bench.edited("widen", "a", to=16)) == [
        "width = 16",
        "self.b = nn.Conv2d(width, width * 1, 3)",
        "self.out = nn.Linear(width * 4, 10)",
    ]
    assert not [edit for edit in bench.edits if edit.layer == "a" and edit.arguments.get("to") == 12]
    assert widened(bench.edited("widen", "b", to=24)) == [
        "self.b = nn.Conv2d(width, width * 3, 3)",
        "self.out = nn.Linear(width * 12, 10)",
    ]


def test_a_sum_ties_its_branches(torch_bench: Callable) -> None:
    init = """
self.a = nn.Conv2d(3, 8, 3, padding=1)
self.b = nn.Conv2d(8, 8, 3, padding=1)
self.norm = nn.BatchNorm2d(8)
self.out = nn.Linear(8, 10)
"""
    forward = """
x = self.a(x)
x = F.relu(self.norm(self.b(x)) + x)
return self.out(x.mean((2, 3)))
"""
    bench = torch_bench(net(init, forward))
    assert widened(bench.edited("widen", to=12)) == [
        "self.a = nn.Conv2d(3, 12, 3, padding=1)",
        "self.b = nn.Conv2d(12, 12, 3, padding=1)",
        "self.norm = nn.BatchNorm2d(12)",
        "self.out = nn.Linear(12, 10)",
    ]
    told = choose(bench.edits, "widen", to=12).describe()
    assert told.endswith(": 8 -> 12 channels, with b")


def test_a_concatenation_adds_up(torch_bench: Callable) -> None:
    init = """
self.a = nn.Conv2d(3, 8, 1)
self.b = nn.Conv2d(3, 16, 1)
self.c = nn.Conv2d(8 + 16, 8, 1)
self.norm = nn.BatchNorm2d(24)
self.out = nn.Linear(8, 10)
"""
    forward = """
x = self.c(self.norm(torch.cat([self.a(x), self.b(x)], 1)))
return self.out(x.mean((2, 3)))
"""
    bench = torch_bench(net(init, forward))
    assert widened(bench.edited("widen", "b", to=32)) == [
        "self.b = nn.Conv2d(3, 32, 1)",
        "self.c = nn.Conv2d(8 + 32, 8, 1)",
        "self.norm = nn.BatchNorm2d(40)",
    ]


def test_a_depthwise_convolution_follows_with_its_groups(torch_bench: Callable) -> None:
    init = """
self.a = nn.Conv2d(3, 8, 1)
self.b = nn.Conv2d(8, 8, 3, groups=8, padding=1)
self.c = nn.Conv2d(8, 16, 1, groups=4)
self.out = nn.Linear(16, 10)
"""
    bench = torch_bench(net(init, "return self.out(self.c(self.b(self.a(x))).mean((2, 3)))"))
    assert widened(bench.edited("widen", "a", to=12)) == [
        "self.a = nn.Conv2d(3, 12, 1)",
        "self.b = nn.Conv2d(12, 12, 3, groups=12, padding=1)",
        "self.c = nn.Conv2d(12, 16, 1, groups=4)",
    ]
    assert not [e for e in bench.edits if e.layer == "a" and e.arguments.get("to") == 6]  # 6 % 4 groups


def test_a_network_whose_output_is_a_sum_keeps_its_classes(torch_bench: Callable) -> None:
    init = """
self.a = nn.Linear(48, 10)
self.b = nn.Linear(10, 10)
"""
    forward = """
x = self.a(F.adaptive_avg_pool2d(x, 4).flatten(1))
return x + self.b(x)
"""
    edits = torch_bench(net(init, forward)).edits
    assert not [edit for edit in edits if edit.operation in ("widen", "narrow")]


def test_an_opaque_reshape_keeps_its_channels(torch_bench: Callable) -> None:
    init = """
self.a = nn.Conv2d(3, 8, 1)
self.b = nn.Conv2d(8, 16, 1)
self.out = nn.Linear(16, 10)
"""
    forward = """
x = self.a(x).view(-1, 2, 4, 32, 32).transpose(1, 2).reshape(-1, 8, 32, 32)
return self.out(self.b(x).mean((2, 3)))
"""
    edits = torch_bench(net(init, forward)).edits
    assert {edit.layer for edit in edits if edit.operation == "widen"} == {"b"}


def test_a_call_in_a_loop_changes_all_its_layers(torch_bench: Callable) -> None:
    init = """
self.layers = nn.ModuleList()
for _ in range(3):
    self.layers.append(nn.Conv2d(3, 3, 3, padding=1))
self.a = nn.Conv2d(3, 8, 3)
self.out = nn.Linear(8, 10)
"""
    forward = """
for layer in self.layers:
    x = layer(x)
return self.out(self.a(x).mean((2, 3)))
"""
    bench = torch_bench(net(init, forward))
    assert {edit.layer for edit in bench.edits if edit.operation == "widen"} == {
        "a"
    }  # the rest is the input's
    lines = bench.edited("change_kernel", "layers.0", to="5x5")
    assert widened(lines) == ["self.layers.append(nn.Conv2d(3, 3, 5, padding=2))"]


def test_sizes_below_stay_where_a_flattening_needs_them(torch_bench: Callable) -> None:
    init = """
self.a = nn.Conv2d(3, 4, 3, stride=2, padding=1)
self.out = nn.Linear(4 * 16 * 16, 10)
"""
    edits = torch_bench(net(init, "return self.out(self.a(x).flatten(1))")).edits
    assert not [edit for edit in edits if edit.operation == "change_stride"]
