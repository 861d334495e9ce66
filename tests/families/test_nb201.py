from __future__ import annotations

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families.nb201 import Cell, NB201Cell, NB201Network, ReductionBlock, ReLUConvBN, all_cells

from .conftest import build_meta, check_cost, graph, parameters

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
EMPTY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def uniform(operation):
    return NB201Cell((operation,) * 6)


@pytest.fixture(scope="module")
def cells():
    return all_cells()


@pytest.mark.parametrize(
    ("text", "expected_parameters", "macs"),
    [(BEST, 1_073_466, 153_272_960), (FIRST, 129_306, 15_647_360)],
)
def test_published_costs(text, expected_parameters, macs):
    check_cost(get_family("nb201"), NB201Cell.from_string(text), expected_parameters, macs)


@pytest.mark.parametrize(("operation", "expected"), [("none", 73_306), ("nor_conv_3x3", 1_531_546)])
def test_parameters_of_uniform_cells(operation, expected):
    assert parameters(build_meta(get_family("nb201"), uniform(operation))) == expected


def test_edges_that_lead_nowhere_keep_their_parameters_but_do_not_run():
    dead = NB201Cell(("nor_conv_3x3", "none", "none", "skip_connect", "none", "nor_conv_3x3"))
    assert dead.live_edges() == ((0, 3, "skip_connect"),)
    module = build_meta(get_family("nb201"), dead)
    read = graph(module)
    kept = 2 * 5 * sum(9 * width * width + 2 * width for width in (16, 32, 64))
    assert parameters(module) == read.parameters == 73_306 + kept
    assert read.unused_parameters == kept
    assert read.macs == graph(build_meta(get_family("nb201"), uniform("none"))).macs


def test_space(cells):
    assert len(set(cells)) == 15_625
    assert len({cell.functional_form() for cell in cells}) == 4_930
    assert sum(not cell.live_edges() for cell in cells) == 341
    with_dead = sum(
        len(cell.live_edges()) < sum(operation != "none" for operation in cell.operations) for cell in cells
    )
    assert with_dead == 6_180


def test_strings_round_trip(cells):
    assert all(NB201Cell.from_string(str(cell)) == cell for cell in cells[::97])
    assert str(NB201Cell.from_string(BEST)) == BEST


@pytest.mark.parametrize("text", ["", BEST + "|", BEST.replace("~2", "~1"), BEST.replace("skip", "ship")])
def test_other_strings_are_refused(text):
    with pytest.raises(UserError, match="NAS-Bench-201"):
        NB201Cell.from_string(text)


def test_functional_form_is_what_the_cell_computes():
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    # Node 1 is x, node 2 is x + node 1, node 3 is x + node 1 + node 2.
    doubled = Cell(uniform("skip_connect"), 4)
    assert torch.allclose(doubled(x), 4 * x)
    assert uniform("skip_connect").functional_form() == "x+x+x+x"
    assert not Cell(uniform("none"), 4)(x).any()
    assert uniform("none").functional_form() == "0"
    # The same pool on two ways to the output.
    first = NB201Cell(("avg_pool_3x3", "none", "none", "none", "skip_connect", "none"))
    second = NB201Cell(("none", "skip_connect", "none", "none", "avg_pool_3x3", "avg_pool_3x3"))
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    assert first.functional_form() == second.functional_form() == "avg_pool_3x3(x)"
    assert torch.equal(Cell(first, 4)(x), pool(x))
    assert torch.equal(Cell(second, 4)(x), pool(x))


def test_nodes_read_what_their_edges_say():
    # A pool on 0->1, identities on 1->2 and 2->3, another pool on 1->3: pool(x) + pool(pool(x)).
    cell = NB201Cell(("avg_pool_3x3", "none", "skip_connect", "none", "avg_pool_3x3", "skip_connect"))
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    assert torch.allclose(Cell(cell, 4)(x), pool(x) + pool(pool(x)))


def test_reduction_pools_its_shortcut():
    torch.manual_seed(0)
    block = ReductionBlock(2, 4).eval()
    x = torch.randn(2, 2, 8, 8)
    with torch.no_grad():
        block.conv2.norm.weight.zero_()
        expected = torch.einsum("oi,nihw->nohw", block.shortcut.weight[:, :, 0, 0], nn.AvgPool2d(2)(x))
        assert torch.allclose(block(x), expected, atol=1e-6)


def test_relu_comes_before_the_convolution():
    out = ReLUConvBN(2, 2, kernel=3).eval()(-torch.rand(1, 2, 4, 4))
    assert not out.any()


def test_smaller_networks_train():
    torch.manual_seed(0)
    module = NB201Network(NB201Cell.from_string(BEST), channels=4, cells=1)
    module(torch.randn(4, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.labels
def test_labels(labels):
    networks = labels("nb201")
    best = max(networks, key=lambda network: network.accuracy)
    assert (best.key, str(best.encoding)) == ("6111", BEST)
    assert best.accuracy == pytest.approx(0.943733)
    assert best.metadata["cifar10_val_200"] == pytest.approx(0.916067, abs=1e-6)
    assert all(n.accuracy == pytest.approx(0.1) for n in networks if not n.encoding.live_edges())


def test_pickles_are_not_loaded(tmp_path):
    (tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2").write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match=r"NATS-Bench's pickles are not loaded.*index, arch_str"):
        get_family("nb201").networks(tmp_path)
