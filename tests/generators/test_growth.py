from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_assistant.edits import EditContext, growth, legal_changes, make_changes
from nas_assistant.edits.conformance import KERAS_SAMPLES, TORCH_SAMPLES, Sample
from nas_assistant.generators import Constraints, Request, get_generator
from nas_assistant.generators._grammar import make_offer
from nas_assistant.graphs import ComputationalGraph

from .conftest import SOURCE, build

RESIDUAL = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.point = nn.Conv2d(16, 24, 1)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(24 * 4 * 4, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.act(self.norm(self.stem(x)))
        x = self.act(self.conv(x) + x)
        x = self.pool(self.act(self.point(self.depth(x))))
        return self.head(self.act(self.hidden(x.flatten(1))))
"""


UNPADDED = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
        )

    def forward(self, x):
        return self.net(x)
"""

VOLUME = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, padding=1)
        self.last = nn.Conv3d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = x.unsqueeze(2).expand(-1, -1, 8, -1, -1)
        return self.head(self.last(self.conv(x).relu()).relu().mean((2, 3, 4)))
"""

KERAS = """\
from keras import Sequential, layers


def model():
    return Sequential([
        layers.Input((16, 16, 3)),
        layers.Conv2D(8, 5, strides=2, activation="relu"),
        layers.SeparableConv2D(16, 5, padding="same", activation="relu"),
        layers.SeparableConv2D(16, 3, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.1),
        layers.Dense(10),
    ])
"""


@pytest.mark.parametrize(
    "sample",
    [
        *(Sample(source, input_shape=(3, 8, 8)) for source in (SOURCE, RESIDUAL)),
        *(Sample(source) for source in (UNPADDED, VOLUME)),
        *TORCH_SAMPLES,
        *(
            pytest.param(sample, marks=pytest.mark.tensorflow)
            for sample in (Sample(KERAS, "keras", "model"), *KERAS_SAMPLES)
        ),
    ],
)
def test_no_edit_adds_more_than_it_is_reckoned_to(sample: Sample) -> None:
    graph = sample.graph()
    context = EditContext(sample.source, graph, sample.framework)
    grown = set()
    for change in legal_changes(context, shape_safe=True):
        changed, bound = sample.graph(make_changes(context, [change])), growth(graph, change)
        assert changed.parameters - graph.parameters <= bound.parameters + 0.5, change.edit.describe()
        assert changed.flops - graph.flops <= bound.flops + 0.5, change.edit.describe()
        grown |= {change.edit.operation} if changed.flops > graph.flops else set()
    assert "change_kernel" in grown and len(grown) > 1


def test_under_a_limit_an_answer_widens_once() -> None:
    graph = build(RESIDUAL)
    context = EditContext(RESIDUAL, graph, "torch")
    wider = [c for c in legal_changes(context, shape_safe=True) if c.edit.operation == "widen"]
    assert len({change.writes for change in wider}) > 1
    room = 3 * max(growth(graph, change).parameters for change in wider)
    limit = Constraints(max_parameters=graph.parameters + round(room) + 1)
    offer = make_offer(wider, graph, "0", vary=False, constraints=limit)
    assert offer is not None and len(offer.slots) == 1 and offer.alone == ()
    free = make_offer(wider, graph, "0", vary=False)
    assert free is not None and len(free.slots) > 1


@pytest.mark.parametrize(
    ("name", "share"),
    [("max_flops", 1.1), ("max_parameters", 1.1), ("max_flops", 0.9), ("max_parameters", 0.9)],
)
def test_what_is_proposed_keeps_to_a_limit_or_comes_within_it(
    make_request: Callable[..., Request], name: str, share: float
) -> None:
    def size(graph: ComputationalGraph) -> int:
        return graph.flops if name == "max_flops" else graph.parameters

    graph = build(RESIDUAL)
    limits = Constraints(**{name: round(share * size(graph))})
    request = make_request(source=RESIDUAL, graph=graph, constraints=limits, relevance=(), count=12)
    proposals = [
        proposal
        for proposal in get_generator("mutate").propose(request)
        if all(edit.shape_safe for edit in proposal.edits)
    ]
    assert len({edit.operation for proposal in proposals for edit in proposal.edits}) > 1
    assert all(size(build(proposal.source)) <= share * size(graph) for proposal in proposals)
