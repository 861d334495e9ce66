"""Whoever gets a better file is told what else it changes, and in the file too."""

from __future__ import annotations

from pathlib import Path

from nas_assistant.assistant import improve
from nas_assistant.assistant._shared import shared_notes
from nas_assistant.graphs import ComputationalGraph, Location, Operation, RegularNode
from nas_assistant.predictors import Predictor

from .helpers import NET, Scripted

ZOO = """\
from torch import nn

WIDTHS = {"a": [8, 16], "b": [8, 16, 16]}


def layers(widths):
    return [nn.Conv2d(3, width, 3) for width in widths]


class Vgg(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.parts = nn.Sequential(*parts)


class Other(nn.Module):
    pass


def vgg_a():
    return Vgg(layers(WIDTHS["a"]))


def vgg_b():
    return Vgg(layers(WIDTHS["b"]))


def vgg_c():
    return Vgg(layers([4]))


def vgg_d():
    return Vgg(layers([2]))


def vgg_e():
    return Vgg(layers([1]))
"""
TAIL = "which are built of the same code"
PATH = Path("zoo.py")


def notes(
    old: str, new: str, entry: str = "vgg_a", source: str = ZOO, created: tuple[int, ...] = ()
) -> tuple[str, ...]:
    assert old in source
    places = (Location(str(PATH.resolve()), line) for line in created)
    nodes = [RegularNode(id=index, op=Operation.CONV, created=place) for index, place in enumerate(places)]
    graph = ComputationalGraph(tuple(nodes))
    return shared_notes(source, source.replace(old, new), PATH, entry, graph)


def test_what_is_built_of_changed_code_is_told() -> None:
    assert notes("width, 3)", "width, 5)") == (f"this also changes vgg_b, vgg_c, vgg_d and 1 other, {TAIL}",)
    assert notes("[8, 16]", "[8, 8]") == ("this also changes vgg_b, which is built of the same code",)
    assert notes("*parts", "*parts, nn.ReLU()", "vgg_b()")[0].startswith(
        "this also changes vgg_a, vgg_c, vgg_d "
    )


def test_nothing_is_told_of_what_stays_as_it_is() -> None:
    assert not notes('WIDTHS["a"]', 'WIDTHS["b"]')
    assert not notes("\n\nclass Other", "\n\n# a comment\nclass Other")
    assert not notes("Vgg", "Vgg")


def test_other_ways_to_one_model_are_none_of_their_own() -> None:
    one = NET + "\n\ndef build():\n    return Net()\n\n\nnet = build()\n"
    for entry in ("Net", "build", "net"):
        assert not notes("nn.ReLU()", "nn.SiLU()", entry, one)
    around = NET + "\n\nclass Around(nn.Module):\n    def __init__(self):\n        self.net = Net()\n"
    told = ("this also changes Around, which is built of the same code",)
    assert notes("nn.ReLU()", "nn.SiLU()", "Net", around) == told


BLOCKS = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = known[0]()

    def forward(self, x):
        return self.body(x)


class Wide(Net):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 10)
"""


def test_what_the_model_is_made_of_is_no_other() -> None:
    change = ("super().__init__()", "super().__init__(1)")
    assert notes(*change, "Net", BLOCKS)[0].startswith("this also changes Block and Wide, ")
    assert notes(*change, "Net", BLOCKS, (7,)) == (f"this also changes Wide, {TAIL.replace('are', 'is')}",)
    # What a model extends is another one, though its code is run.
    assert notes(*change, "Wide", BLOCKS, (7, 13, 22))[0].startswith("this also changes Net, ")


def test_what_a_model_of_a_library_s_class_names_is_no_other() -> None:
    source = BLOCKS.replace("Net(nn.Module)", "Net(PreTrained)").replace("known[0]", "Block")
    assert not notes("nn.Conv2d", "nn.Conv3d", "build", f"{source}\n\ndef build():\n    return Net()\n")


def test_notes_and_header_tell_of_it_and_of_what_the_predictor_does_not_know(
    model: Path, predictor: Predictor
) -> None:
    text = NET.replace("Linear(8, 10)", "Linear(8, 1)").replace("nn.ReLU()", "act()")
    model.write_text(f"{text}\n\ndef act():\n    return nn.ReLU()\n\n\nclass Second(Net):\n    pass\n")
    result = improve(
        model,
        entry="Net",
        input_shape=(3, 16, 16),
        generator=Scripted([lambda source: source.replace("nn.ReLU()", "nn.SiLU()")]),
        predictor=predictor,
        familiarity_margin=2.0,
        max_iterations=1,
        report=False,
    )
    assert result.improved
    plain = " ".join(line.removeprefix("# NAS - Assist:").strip() for line in result.best_source.splitlines())
    for words in (
        "this also changes Second, which is built of the same code",
        "an output of a single value is no score for each class: the predictor knows image classifiers alone",
    ):
        assert words in plain and words in " ".join(result.notes)
