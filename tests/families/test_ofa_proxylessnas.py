from __future__ import annotations

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families.ofa_proxylessnas import OFAProxylessNetwork, ProxylessSubnet

from .conftest import build_meta, parameters

SMALLEST = ProxylessSubnet((3,) * 21, (3,) * 21, (2, 2, 2, 2, 2, 1))
LARGEST = ProxylessSubnet((7,) * 21, (6,) * 21, (4, 4, 4, 4, 4, 1))


@pytest.mark.parametrize(
    ("subnet", "expected_parameters", "macs"),
    [(SMALLEST, 3_718_832, 265_526_256), (LARGEST, 7_942_056, 1_004_908_032)],
)
def test_published_costs(subnet, expected_parameters, macs):
    family = get_family("ofa_proxylessnas")
    read = family.graph(subnet)
    assert parameters(build_meta(family, subnet)) == read.parameters == expected_parameters
    assert read.macs == macs
    assert read.warnings == ()


def test_first_block_has_no_expansion_and_adds_nothing():
    module = build_meta(get_family("ofa_proxylessnas"), SMALLEST)
    assert len(module.first.layers) == 2
    assert not module.first.skip
    assert [block.skip for block in module.blocks] == [False, True] * 5 + [False]


def test_last_stage_has_its_one_slot():
    subnet = ProxylessSubnet((3,) * 20 + (7,), (3,) * 20 + (6,), (2, 3, 4, 2, 3, 1))
    assert [len(stage) for stage in subnet.stages()] == [2, 3, 4, 2, 3, 1]
    assert subnet.stages()[-1] == ((7, 6),)


def test_only_relu6_activates():
    module = build_meta(get_family("ofa_proxylessnas"), SMALLEST)
    assert not any(isinstance(m, (nn.ReLU, nn.Hardswish, nn.Hardsigmoid)) for m in module.modules())
    assert {m.eps for m in module.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


def test_smaller_networks_train():
    torch.manual_seed(0)
    module = OFAProxylessNetwork(SMALLEST, width=0.25, num_classes=10)
    module(torch.randn(4, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize(
    ("depths", "message"),
    [("2 2 2 2 2 2", r"depths d\[5\] is 2: choose from 1$"), ("2 2 2 2 2", "depths d are 6 numbers, not 5")],
)
def test_other_depths_are_refused(depths, message):
    text = str(SMALLEST).replace("2 2 2 2 2 1", depths)
    with pytest.raises(UserError, match=message):
        ProxylessSubnet.parse(text)


def test_labels_that_are_brought_along_are_read(tmp_path):
    (tmp_path / "ofa_proxylessnas_imagenet.csv").write_text(
        f"ks,e,d,r,imagenet_top1_mean,macs\n{str(SMALLEST).removesuffix('224')}208,75.5,\n{LARGEST},78,1004908032\n"
    )
    first, second = get_family("ofa_proxylessnas").networks(tmp_path)
    assert first.encoding.resolution == 208
    assert (first.accuracy, first.metadata) == (pytest.approx(0.755), {})
    assert (second.encoding, second.metadata) == (LARGEST, {"macs": 1_004_908_032})


def test_pickles_are_not_loaded(tmp_path):
    (tmp_path / "gpi_ofa_comp_graph_cache.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(
        UserError,
        match=r"ofa_proxylessnas_imagenet.csv.gz: no such .*ks, e, d, r and .*gpi_ofa_comp_graph_cache.pkl",
    ):
        get_family("ofa_proxylessnas").networks(tmp_path)
