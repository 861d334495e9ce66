"""Lists of layers, and how the file reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

LAYERS = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3)]
        BODY
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(8, 10)

    def unit(self):
        block = [nn.Conv2d(8, 8, 3), nn.GELU(), nn.Dropout(0.2)]
        block.append(nn.Conv2d(8, 8, 1))
        return block

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.mark.parametrize(
    "body",
    [
        "layers.extend(self.unit())",
        "layers += self.unit()",
        "layers = nn.Sequential(*layers, *self.unit())",
        "more = [nn.Conv2d(8, 8, 3), nn.GELU(), nn.Dropout(0.2)]; layers.extend(more)",
    ],
)
def test_a_layer_is_taken_out_of_the_list_that_holds_it(torch_bench: Callable, body: str) -> None:
    lines = torch_bench(LAYERS.replace("BODY", body)).edited("drop_dropout", "body.3")
    assert len(lines) == 2 and lines[1] == lines[0].replace(", nn.Dropout(0.2)", "").replace("-", "+", 1)


@pytest.mark.parametrize(
    "body",
    [
        "layers += self.unit()[:3]",
        "block = self.unit(); layers += [block[0], block[1], block[2], block[-1]]",
        "for layer in self.unit(): layers.append(layer)",
        "layers = nn.Sequential(*layers, *self.unit()); more = layers[:1]",
    ],
)
def test_a_list_whose_places_may_count_keeps_its_length(torch_bench: Callable, body: str) -> None:
    lines = torch_bench(LAYERS.replace("BODY", body)).edited("drop_dropout", "body.3")
    assert len(lines) == 2 and lines[1] == lines[0].replace("Dropout(0.2)", "Identity()").replace("-", "+", 1)


STAGES = """\
from torch import nn


class Net(nn.Module):
    widths = [8, 16]

    def __init__(self):
        super().__init__()
        self.body, width = nn.Sequential(), 3
        LOOP
            self.body.add_module(NAME, nn.Sequential(nn.Conv2d(width, f, 3), nn.ReLU()))
            width = f
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.mark.parametrize(
    "loop", ["for i, f in enumerate([8, 16]):", "for i, f in enumerate(self.widths, 1):"]
)
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ('"stage%d" % f', True),
        ('f"stage{f}"', True),
        ('"stage{}".format(f)', True),
        ('"stage" + str(f)', True),
        ('f"stage{i}"', False),
    ],
)
def test_no_entry_is_doubled_that_names_a_layer(
    torch_bench: Callable, loop: str, name: str, own: bool
) -> None:
    source = STAGES.replace("LOOP", loop).replace("NAME", name)
    if "self.widths" not in loop:
        source = source.replace("    widths = [8, 16]\n", "")
    found = [edit for edit in torch_bench(source).edits if edit.operation == "repeat_entry"]
    assert bool(found) is not own
