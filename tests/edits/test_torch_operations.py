"""Each operation on PyTorch source, before and after."""

# ruff: noqa: E501  the lines of a diff are as long as they are

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from nas_assistant.edits import list_operations

SEQUENTIAL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1),  # first
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 32 -> 16
            nn.Conv2d(16, 16, (3, 3), padding="same"),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(24 * 2 * 2, 32)  # hidden
        self.out = nn.Linear(32, 10)

    def forward(self, x):
        x = self.pool(self.features(x))
        x = torch.flatten(x, 1)
        x = self.drop(torch.tanh(self.fc(x)))
        return self.out(x)
"""

GOLDEN = [
    (
        ("widen", "features.0", {"to": 24}),
        [
            "-            nn.Conv2d(3, 16, kernel_size=3, padding=1),  # first",
            "+            nn.Conv2d(3, 24, kernel_size=3, padding=1),  # first",
            '-            nn.Conv2d(16, 16, (3, 3), padding="same"),',
            '+            nn.Conv2d(24, 16, (3, 3), padding="same"),',
        ],
    ),
    (
        ("widen", "features.6", {"to": 48}),
        [
            "-            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),",
            "+            nn.Conv2d(16, 48, 3, stride=2, padding=1), nn.SiLU(),",
            "-        self.fc = nn.Linear(24 * 2 * 2, 32)  # hidden",
            "+        self.fc = nn.Linear(48 * 2 * 2, 32)  # hidden",
        ],
    ),
    (
        ("narrow", "features.3", {"to": 8}),
        [
            '-            nn.Conv2d(16, 16, (3, 3), padding="same"),',
            "-            nn.BatchNorm2d(16),",
            '+            nn.Conv2d(16, 8, (3, 3), padding="same"),',
            "+            nn.BatchNorm2d(8),",
            "-            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),",
            "+            nn.Conv2d(8, 24, 3, stride=2, padding=1), nn.SiLU(),",
        ],
    ),
    (
        ("change_kernel", "features.0", {"to": "5x5"}),
        [
            "-            nn.Conv2d(3, 16, kernel_size=3, padding=1),  # first",
            "+            nn.Conv2d(3, 16, kernel_size=5, padding=2),  # first",
        ],
    ),
    (
        ("change_kernel", "features.3", {"to": "1x1"}),
        [
            '-            nn.Conv2d(16, 16, (3, 3), padding="same"),',
            '+            nn.Conv2d(16, 16, (1, 1), padding="same"),',
        ],
    ),
    (
        ("change_activation", "features.1", {"to": "elu"}),
        ["-            nn.ReLU(inplace=True),", "+            nn.ELU(inplace=True),"],
    ),
    (
        ("change_activation", "tanh", {"to": "gelu"}),
        [
            "-        x = self.drop(torch.tanh(self.fc(x)))",
            "+        x = self.drop(torch.nn.functional.gelu(self.fc(x)))",
        ],
    ),
    (
        ("change_stride", "features.6", {"to": 1}),
        [
            "-            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),",
            "+            nn.Conv2d(16, 24, 3, stride=1, padding=1), nn.SiLU(),",
        ],
    ),
    (("add_norm", "features.0", {}), ["+            nn.BatchNorm2d(16),"]),
    (("add_dropout", "features.2", {}), ["+            nn.Dropout2d(0.1),"]),
    (("drop_norm", "features.4", {}), ["-            nn.BatchNorm2d(16),"]),
    (
        ("drop_dropout", "drop", {}),
        ["-        self.drop = nn.Dropout(0.5)", "+        self.drop = nn.Identity()"],
    ),
    (("remove_layer", "features.1", {}), ["-            nn.ReLU(inplace=True),"]),
    (("remove_layer", "features.3", {}), ['-            nn.Conv2d(16, 16, (3, 3), padding="same"),']),
    (
        ("repeat_layer", "features.3", {}),
        [
            '+            nn.Conv2d(16, 16, (3, 3), padding="same"),',
            "+            nn.BatchNorm2d(16),",
            "+            nn.ReLU(),",
        ],
    ),
    (
        ("insert_block", "features.0", {"block": "conv-bn"}),
        [
            "+            nn.ReLU(inplace=True),",
            "+            nn.Conv2d(16, 16, kernel_size=3, padding=1, bias=False),",
            "+            nn.BatchNorm2d(16),",
        ],
    ),
    (
        ("insert_block", "fc", {"block": "dense"}),
        [
            "-        self.fc = nn.Linear(24 * 2 * 2, 32)  # hidden",
            "+        self.fc = nn.Sequential(nn.Linear(24 * 2 * 2, 32), nn.SiLU(), nn.Linear(32, 32))  # hidden",
        ],
    ),
    (
        ("swap_pool", "features.2", {}),
        ["-            nn.MaxPool2d(2),  # 32 -> 16", "+            nn.AvgPool2d(2),  # 32 -> 16"],
    ),
    (
        ("swap_conv", "features.6", {}),
        [
            "-            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),",
            "+            nn.Conv2d(16, 16, kernel_size=3, stride=2, padding=1, groups=16, bias=False),",
            "+            nn.Conv2d(16, 24, kernel_size=1), nn.SiLU(),",
        ],
    ),
]


@pytest.mark.parametrize(("wanted", "lines"), GOLDEN, ids=[f"{a[0]}-{a[1]}" for a, _ in GOLDEN])
def test_on_a_sequential(
    torch_bench: Callable, wanted: tuple[str, str, dict[str, object]], lines: list[str]
) -> None:
    operation, layer, arguments = wanted
    assert torch_bench(SEQUENTIAL).edited(operation, layer, **arguments) == lines


BLOCKS = """\
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, kernel_size=3):
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        return F.relu(self.conv(x))


def stage(cfg, layers):
    channels = 3
    for entry in cfg:
        if entry == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
            channels = entry
    return nn.Sequential(*layers)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = stage([16, "M", 32], [])
        self.blocks = nn.ModuleList([Block(32) for _ in range(2)])
        self.last = Block(32)
        self.conv = nn.Conv2d(32, 32, 1)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.stage(x)
        for block in self.blocks:
            x = block(x)
        x = self.last(x)
        x = F.relu(self.conv(x))
        return self.head(x.mean((2, 3)))
"""

BLOCKS_GOLDEN = [
    (
        ("add_skip", "conv", {}),
        ["-        x = F.relu(self.conv(x))", "+        x = F.relu(self.conv(x) + x)"],
    ),
    (
        ("add_skip", "blocks.0.conv", {}),
        ["-        return F.relu(self.conv(x))", "+        return F.relu(self.conv(x) + x)"],
    ),
    (
        ("change_repeats", "range", {"to": 3}),
        [
            "-        self.blocks = nn.ModuleList([Block(32) for _ in range(2)])",
            "+        self.blocks = nn.ModuleList([Block(32) for _ in range(3)])",
        ],
    ),
    (
        ("repeat_entry", "3 of 3", {}),
        [
            '-        self.stage = stage([16, "M", 32], [])',
            '+        self.stage = stage([16, "M", 32, 32], [])',
        ],
    ),
    (
        ("scale_width", "blocks.0.conv", {"to": 48}),
        [
            '-        self.stage = stage([16, "M", 32], [])',
            "-        self.blocks = nn.ModuleList([Block(32) for _ in range(2)])",
            "-        self.last = Block(32)",
            "-        self.conv = nn.Conv2d(32, 32, 1)",
            "-        self.head = nn.Linear(32, 10)",
            '+        self.stage = stage([16, "M", 48], [])',
            "+        self.blocks = nn.ModuleList([Block(48) for _ in range(2)])",
            "+        self.last = Block(48)",
            "+        self.conv = nn.Conv2d(48, 48, 1)",
            "+        self.head = nn.Linear(48, 10)",
        ],
    ),
    (
        ("repeat_layer", "last", {}),
        ["-        self.last = Block(32)", "+        self.last = nn.Sequential(Block(32), Block(32))"],
    ),
    (
        ("add_norm", "stage.0", {}),
        [
            "-            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]",
            "+            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.BatchNorm2d(entry), nn.ReLU()]",
        ],
    ),
    (
        ("add_dropout", "stage.2", {}),
        ["+            layers.append(nn.Dropout2d(0.1))"],
    ),
]


@pytest.mark.parametrize(("wanted", "lines"), BLOCKS_GOLDEN, ids=[f"{a[0]}-{a[1]}" for a, _ in BLOCKS_GOLDEN])
def test_on_blocks_and_lists(
    torch_bench: Callable, wanted: tuple[str, str, dict[str, object]], lines: list[str]
) -> None:
    operation, layer, arguments = wanted
    assert torch_bench(BLOCKS).edited(operation, layer, **arguments) == lines


@pytest.mark.parametrize(
    ("line", "name"), [("from own.parts import Block", "Block"), ("import own.parts as parts", "parts.Block")]
)
def test_blocks_of_another_file(
    torch_bench: Callable, monkeypatch: pytest.MonkeyPatch, line: str, name: str
) -> None:
    start, end = BLOCKS.index("class Block"), BLOCKS.index("def stage")
    imports, block, rest = BLOCKS[:start], BLOCKS[start:end], BLOCKS[end:]
    package, module = ModuleType("own"), ModuleType("own.parts")
    exec(compile(imports + block, "/home/user/own/parts.py", "exec"), module.__dict__)
    package.parts = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own", package)
    monkeypatch.setitem(sys.modules, "own.parts", module)
    bench = torch_bench(imports + line + "\n\n\n" + rest.replace("Block(", name + "("))
    for (operation, layer, arguments), lines in BLOCKS_GOLDEN:
        if operation in ("change_repeats", "scale_width", "repeat_layer"):
            wanted = [one.replace("Block(", name + "(") for one in lines]
            found = None if operation == "scale_width" else layer
            assert bench.edited(operation, found, **arguments) == wanted


def test_a_head_of_the_training_alone_follows_the_width_it_reads(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace(
        "        self.out =", "        self.auxiliary = nn.Linear(24 * 2 * 2, 10)\n        self.out ="
    ).replace(
        "        x = self.drop(", "        more = self.auxiliary(x) if self.training else 0\n        x = self.drop("
    ).replace("return self.out(x)", "return self.out(x) + more")  # fmt: skip
    assert torch_bench(source).edited("widen", "features.6", to=32) == [
        "-            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.SiLU(),",
        "+            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.SiLU(),",
        "-        self.fc = nn.Linear(24 * 2 * 2, 32)  # hidden",
        "-        self.auxiliary = nn.Linear(24 * 2 * 2, 10)",
        "+        self.fc = nn.Linear(32 * 2 * 2, 32)  # hidden",
        "+        self.auxiliary = nn.Linear(32 * 2 * 2, 10)",
    ]


def test_every_operation_has_a_golden_edit() -> None:
    elsewhere = {"swap_block", "drop_branch"}  # in test_swap_block
    assert {wanted[0] for wanted, _ in (*GOLDEN, *BLOCKS_GOLDEN)} | elsewhere == set(list_operations())


def test_the_output_layer_and_the_input_stay(torch_bench: Callable) -> None:
    bench = torch_bench(SEQUENTIAL)
    for edit in bench.edits:
        assert not (edit.operation in ("widen", "narrow", "remove_layer") and edit.layer == "out")


def test_layers_do_not_become_one_linear_map(torch_bench: Callable) -> None:
    bench = torch_bench(SEQUENTIAL)
    removed = {edit.layer for edit in bench.edits if edit.operation == "remove_layer"}
    assert "features.1" in removed  # the max pool behind it is nonlinear too
    assert not removed & {"features.5", "features.7"}
    bare = SEQUENTIAL.replace("            nn.ReLU(inplace=True),\n", "")
    assert [edit for edit in bench.edits if edit.operation == "swap_pool" and edit.layer == "features.2"]
    assert not [edit for edit in torch_bench(bare).edits if edit.operation == "swap_pool"]


def test_a_depthwise_layer_and_the_one_behind_it_need_nothing_between(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace("nn.Conv2d(16, 24, 3, stride=2, padding=1)", "nn.Conv2d(16, 24, 1)").replace(
        '(16, 16, (3, 3), padding="same")', '(16, 16, (3, 3), padding="same", groups=16)'
    )
    removed = {edit.layer for edit in torch_bench(source).edits if edit.operation == "remove_layer"}
    assert "features.5" in removed


def test_a_long_line_is_broken(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace(
        "nn.Linear(24 * 2 * 2, 32)  # hidden", "nn.Linear(in_features=24 * 2 * 2, out_features=32)"
    )
    assert torch_bench(source).edited("insert_block", "fc", block="dense") == [
        "-        self.fc = nn.Linear(in_features=24 * 2 * 2, out_features=32)",
        "+        self.fc = nn.Sequential(",
        "+            nn.Linear(in_features=24 * 2 * 2, out_features=32),",
        "+            nn.SiLU(),",
        "+            nn.Linear(32, 32),",
        "+        )",
    ]


def test_a_long_line_of_layers_is_broken(torch_bench: Callable) -> None:
    source = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        layers += [nn.Conv2d(3, 8, 3), nn.ReLU()]
        layers += [nn.Conv2d(8, 8, kernel_size=3), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x).mean((2, 3))
"""
    bench = torch_bench(source)
    assert bench.edited("add_norm", "body.0") == [
        "-        layers += [nn.Conv2d(3, 8, 3), nn.ReLU()]",
        "+        layers += [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()]",
    ]
    assert bench.edited("insert_block", "body.2", block="separable") == [
        "-        layers += [nn.Conv2d(8, 8, kernel_size=3), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]",
        "+        layers += [",
        "+            nn.Conv2d(8, 8, kernel_size=3),",
        "+            nn.BatchNorm2d(8),",
        "+            nn.ReLU(inplace=True),",
        "+            nn.Conv2d(8, 8, kernel_size=3, padding=1, groups=8, bias=False),",
        "+            nn.Conv2d(8, 8, kernel_size=1, bias=False),",
        "+            nn.BatchNorm2d(8),",
        "+            nn.ReLU(inplace=True),",
        "+        ]",
    ]


def test_an_indexed_container_keeps_its_positions(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace(
        "self.pool(self.features(x))", "self.pool(self.features(x))\n        self.features[3]"
    )
    lines = torch_bench(source).edited("drop_norm", "features.4")
    assert lines == ["-            nn.BatchNorm2d(16),", "+            nn.Identity(),"]


def test_a_class_that_no_import_names_is_imported_like_the_others(torch_bench: Callable) -> None:
    source = """\
from torch.nn import Conv2d, Module, Sequential
from torch import relu


class Net(Module):
    def __init__(self):
        super().__init__()
        self.body = Sequential(Conv2d(3, 8, 3), Conv2d(8, 4, 3))

    def forward(self, x):
        return relu(self.body(x)).mean((2, 3))
"""
    lines = torch_bench(source).edited("add_norm", "body.0")
    assert lines == [
        "-from torch.nn import Conv2d, Module, Sequential",
        "+from torch.nn import Conv2d, Module, Sequential, BatchNorm2d",
        "-        self.body = Sequential(Conv2d(3, 8, 3), Conv2d(8, 4, 3))",
        "+        self.body = Sequential(Conv2d(3, 8, 3), BatchNorm2d(8), Conv2d(8, 4, 3))",
    ]
    lines_each = source.replace(
        "Conv2d, Module, Sequential\n", "(\n    Conv2d,\n    Module,\n    Sequential as Sequential,\n)\n", 1
    )
    assert torch_bench(lines_each).edited("add_norm", "body.0")[0] == "+    BatchNorm2d,"
    long = source.replace("import Conv2d,", "import " + "Conv1d, " * 8 + "Conv2d,", 1)
    assert torch_bench(long).edited("add_norm", "body.0")[0] == "+from torch.nn import BatchNorm2d"
    own = source + "\n\nclass BatchNorm2d:\n    pass\n"
    assert torch_bench(own).edited("add_norm", "body.0")[0] == "+from torch import nn"


def test_new_layers_are_set_up_as_the_file_s_own(torch_bench: Callable) -> None:
    source = """\
from torch import nn
from torch.nn import functional as F

EPS = 1e-3


class Net(nn.Module):
    def __init__(self, momentum=0.2):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8, EPS, momentum)
        self.last = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        return F.elu(self.last(F.elu(self.norm(self.first(x))))).mean((2, 3))
"""
    lines = torch_bench(source).edited("insert_block", "last", block="conv-bn")
    assert "+            nn.ELU()," in lines and "+            nn.BatchNorm2d(8, eps=EPS)," in lines


def test_columns_count_bytes(torch_bench: Callable) -> None:
    source = SEQUENTIAL.replace("self.fc = ", 'self.näme = "ü"; self.fc = ')
    assert torch_bench(source).edited("widen", "fc", to=48)[2].endswith("nn.Linear(24 * 2 * 2, 48)  # hidden")


def test_line_breaks_of_windows_are_kept(torch_bench: Callable) -> None:
    bench = torch_bench(SEQUENTIAL.replace("\n", "\r\n"))
    edit = next(edit for edit in bench.edits if (edit.operation, edit.layer) == ("add_norm", "features.0"))
    text = bench.apply(edit)
    assert text.count("\n") == text.count("\r\n") == SEQUENTIAL.count("\n") + 1


PAIRS = """\
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self, inputs, outputs, middle):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, middle, kernel_size=3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(in_channels=middle, out_channels=outputs, kernel_size=3, padding=1),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x):
        return self.body(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair = Pair(3, 8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.pair(x).mean((2, 3)))
"""


def test_a_layer_that_is_repeated_reads_what_the_first_gives(torch_bench: Callable) -> None:
    lines = torch_bench(PAIRS).edited("repeat_layer", "pair.body.2")
    assert lines == [
        "+            nn.LeakyReLU(0.2),",
        "+            nn.Conv2d(in_channels=outputs, out_channels=outputs, kernel_size=3, padding=1),",
    ]
    grouped = PAIRS.replace("outputs, kernel_size=3", "outputs, groups=middle, kernel_size=3")
    assert not [edit for edit in torch_bench(grouped).edits if edit.operation == "repeat_layer"]


def test_an_activation_of_other_names_is_not_copied(torch_bench: Callable) -> None:
    source = PAIRS.replace("nn.LeakyReLU(0.2)", "nn.ReLU(inplace=middle > 0)")
    assert torch_bench(source).edited("repeat_layer", "pair.body.2")[0] == "+            nn.ReLU(),"
