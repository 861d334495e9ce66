from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from nas_assistant.edits import Edit, apply_edits, legal_edits
from nas_assistant.encoders import STRUCTURE, EncoderConfig, GraphArrays, GraphEncoder
from nas_assistant.generators import BaseGenerator, Proposal, Request
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import (
    Calibration,
    GaussianMixture,
    MixtureOfExperts,
    Predictor,
    StructurePrior,
    Vocabulary,
    Widths,
)

NET = '''\
"""A network for the tests."""

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)  # the second
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.conv2(self.act1(self.conv1(x)))
        return self.head(self.pool(x).flatten(1))
'''


DATA = """\
import torch
from torch.utils.data import TensorDataset

torch.manual_seed(0)
data = TensorDataset(torch.rand({count}, 3, 16, 16), torch.arange({count}) % 4)
bare = TensorDataset(torch.rand(4, 3, 16, 16))


def one_class():
    yield torch.rand({count}, 3, 16, 16), torch.zeros({count})
"""


def write_data(model: Path, count: int) -> Path:
    """A file beside a model: so many labelled images, ``data`` or of ``one_class``, and ``bare`` ones."""
    path = model.with_name("data.py")
    path.write_text(DATA.format(count=count))
    return path


class RandomEdits(BaseGenerator):
    """Proposes legal edits drawn at random; the second of each round is the file as it is."""

    name = "random-edits"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def propose(self, request: Request) -> list[Proposal]:
        self.requests.append(request)
        found = legal_edits(request.source, request.graph, framework=request.framework, shape_safe=True)
        chosen = random.Random(request.seed).sample(found, min(request.count, len(found)))
        proposals = []
        for edit in chosen:
            source = apply_edits(request.source, [edit], request.graph, framework=request.framework)
            proposals.append(Proposal(source, (edit.because("a test"),)))
        proposals[1:2] = [Proposal(request.source, explanation=("nothing",))]
        return proposals


class Scripted(BaseGenerator):
    """Proposes given sources, a list a round; a function makes them from the request's source."""

    name = "scripted"

    def __init__(self, *rounds: list[Callable[[str], str]]) -> None:
        self.rounds = list(rounds)

    def propose(self, request: Request) -> list[Proposal]:
        if not self.rounds:
            return []
        changes = self.rounds.pop(0)
        return [Proposal(change(request.source), explanation=("a change",)) for change in changes]


def make_predictor() -> Predictor:
    """An untrained predictor: sure of nothing, but the same every time."""
    torch.manual_seed(0)
    encoder = GraphEncoder(EncoderConfig()).eval()
    means = torch.randn(4, encoder.width)
    mixture = GaussianMixture(means, torch.full((4,), -1.3863), 1.0)
    quantiles = tuple(float(-3000 + 30 * step) for step in range(101))
    familiar, unfamiliar = Widths(accuracy=0.1, gain=0.12, share=1.0), Widths(0.5, 0.4, 0.25)
    calibration = Calibration(familiar, unfamiliar, quantiles)
    prior = StructurePrior(tuple(0.1 * sign for sign in STRUCTURE.values()), (1.0,) * len(STRUCTURE), 0.0)
    experts = MixtureOfExperts(encoder.width, 4).eval()
    return Predictor(encoder, mixture, experts, prior, Vocabulary.of([_arrays()]), calibration, {})


def _arrays() -> GraphArrays:
    """A graph with the kinds of nodes of :data:`NET`."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return GraphArrays.from_graph(ComputationalGraph.from_torch(module, torch.zeros(2, 3, 16, 16)))


_TOLD = re.compile(
    r"(?P<operation>.*?) (?P<layer>\S+) \(line (?P<line>\d+)\)"
    r"(?:: (?P<from>\S+) -> (?P<to>[^\s:]+)(?: (?P<what>\w+))?(?:, in (?P<places>\d+) places)?)?"
    r"(?:: (?P<reason>.*))?"
)


def read_edit(text: str) -> Edit | str:
    """The edit that tells itself like this, or the text where none does."""
    found = _TOLD.fullmatch(text)
    if found is None:
        return text
    arguments = {name: found[name] for name in ("from", "to", "what") if found[name]}
    if found["places"]:
        arguments["places"] = int(found["places"])
    operation = found["operation"].replace(" ", "_")
    edit = Edit(operation, found["layer"], int(found["line"]), arguments, found["reason"] or "")
    assert edit.tell() == text
    return edit
