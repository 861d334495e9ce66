from __future__ import annotations

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families.channel import BasicBlock, InvertedResidual, Widths

from .conftest import build_meta, check_cost, graph, parameters

NAMES = ["channel_resnet", "channel_mobilenet"]


@pytest.mark.parametrize(
    ("name", "digits", "expected_parameters", "macs"),
    [
        ("channel_resnet", "1111111", 963_658, 90_096_896),
        ("channel_resnet", "4444444", 15_356_170, 1_436_226_560),
        ("channel_mobilenet", "1111111", 125_418, 14_285_312),
        ("channel_mobilenet", "4444444", 1_804_170, 211_281_920),
    ],
)
def test_published_costs(name, digits, expected_parameters, macs):
    check_cost(get_family(name), Widths.parse(digits), expected_parameters, macs)


def resnet_parameters(c0, c1, c2, c3, c4, c5, c6):
    def block(inputs, middle, outputs):
        return 9 * inputs * middle + 2 * middle + 9 * middle * outputs + 2 * outputs

    blocks = block(c0, c1, c0) + block(c0, c2, c0) + block(c0, c3, c4) + block(c4, c5, c4) + block(c4, c6, c4)
    return 27 * c0 + 2 * c0 + blocks + 10 * c4 + 10


def mobilenet_parameters(c0, c1, c2, c3, c4, c5, c6):
    def block(inputs, middle, outputs):
        return inputs * middle + 2 * middle + 9 * middle + 2 * middle + middle * outputs + 2 * outputs

    blocks = block(c0, c1, c0) + block(c0, c2, c0) + block(c0, c3, c4) + block(c4, c5, c4)
    return 27 * c0 + 2 * c0 + blocks + c4 * c6 + 2 * c6 + 10 * c6 + 10


FORMULAS = {"channel_resnet": resnet_parameters, "channel_mobilenet": mobilenet_parameters}


@pytest.mark.labels
@pytest.mark.parametrize("name", NAMES)
def test_channels_give_the_published_parameters_of_every_row(name, labels):
    base = get_family(name).base
    for network in labels(name):
        assert FORMULAS[name](*network.encoding.channels(base)) == network.metadata["parameters"], network.key


@pytest.mark.labels
@pytest.mark.parametrize("name", NAMES)
def test_built_networks_have_the_published_costs(name, labels):
    family = get_family(name)
    for network in labels(name)[::163]:
        module = build_meta(family, network.encoding)
        assert parameters(module) == network.metadata["parameters"], network.key
        if int(network.key) % 7 == 0:
            assert graph(module).macs == network.metadata["macs"], network.key


@pytest.mark.labels
@pytest.mark.parametrize(
    ("name", "best", "accuracy"),
    [("channel_resnet", "4344424", 0.9389), ("channel_mobilenet", "4444342", 0.9189)],
)
def test_labels(name, best, accuracy, labels):
    network = max(labels(name), key=lambda network: network.accuracy)
    assert network.key == str(network.encoding) == best
    assert network.accuracy == pytest.approx(accuracy, abs=1e-4)


@pytest.mark.parametrize(
    ("block", "adds"),
    [
        (BasicBlock(4, 6, 4), True),
        (BasicBlock(4, 6, 8, stride=2), False),
        (InvertedResidual(4, 6, 4), True),
        (InvertedResidual(4, 6, 8, stride=2), False),
        (InvertedResidual(4, 6, 8), False),
    ],
)
def test_input_is_added_where_it_fits(block, adds):
    x = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    last = block.conv2 if isinstance(block, BasicBlock) else block.project
    with torch.no_grad():
        last.norm.weight.zero_()
        out = block.eval()(x)
    assert torch.equal(out, x) if adds else not out.any()


@pytest.mark.parametrize("text", ["", "111111", "1111115", "0111111", "111111a", "11111111"])
def test_other_widths_are_refused(text):
    with pytest.raises(UserError, match="seven digits from 1 to 4"):
        Widths.parse(text)
