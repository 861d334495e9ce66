from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families.ofa_resnet import Bottleneck, OFAResNetNetwork, ResNetSubnet

from .conftest import build_meta, parameters

TEXT = "2 1 2 2 1," + " ".join(["0.25"] * 18) + ",2 2 2 2 2 2,224"
SMALLEST = ResNetSubnet((0,) * 5, (0.2,) * 18, (0,) * 6)


@pytest.mark.parametrize(
    ("depths", "expansion", "width", "expected_parameters", "macs"),
    [
        ((0, 0, 0, 0, 0), 0.2, 0, 6_539_280, 962_192_128),
        ((2, 2, 2, 2, 2), 0.35, 2, 48_105_992, 7_491_643_904),
        # ResNet-50D, of 25.58 million parameters.
        ((2, 1, 2, 2, 1), 0.25, 2, 25_576_264, 4_328_824_832),
        ((0, 1, 2, 2, 1), 0.25, 2, 25_566_984, 4_213_219_328),
    ],
)
def test_published_costs(depths, expansion, width, expected_parameters, macs):
    family = get_family("ofa_resnet")
    subnet = ResNetSubnet(depths, (expansion,) * 18, (width,) * 6)
    read = family.graph(subnet)
    assert parameters(build_meta(family, subnet)) == read.parameters == expected_parameters
    assert read.macs == macs
    assert read.warnings == ()


@pytest.mark.parametrize(
    ("index", "stem", "stages"),
    [
        (0, (24, 40), [168, 336, 664, 1328]),
        (1, (24, 48), [208, 408, 816, 1640]),
        (2, (32, 64), [256, 512, 1024, 2048]),
    ],
)
def test_channels_of_each_width(index, stem, stages):
    subnet = dataclasses.replace(SMALLEST, widths=(index,) * 6)
    assert subnet.stem_channels() == stem
    blocks = build_meta(get_family("ofa_resnet"), subnet).blocks
    assert [blocks[i].layers[2][0].out_channels for i in (0, 2, 4, 8)] == stages


def test_blocks_use_the_first_expansions_of_their_stage():
    expansions = (
        (0.2, 0.25, 0.35, 0.2) + (0.35, 0.2, 0.2, 0.2) + (0.25,) * 5 + (0.35,) + (0.2, 0.35, 0.25, 0.25)
    )
    subnet = ResNetSubnet((0, 1, 0, 2, 0), expansions, (0,) * 6)
    assert subnet.stages() == ((0.2, 0.25, 0.35), (0.35, 0.2), (0.25,) * 5 + (0.35,), (0.2, 0.35))


def test_distinct_networks_have_distinct_forms():
    unused = dataclasses.replace(SMALLEST, expansions=(0.2, 0.2, 0.35, 0.35) + (0.2,) * 14)
    # The two lesser widths of the stem's middle are 24 channels both.
    same_middle = dataclasses.replace(SMALLEST, widths=(1, 0, 0, 0, 0, 0))
    assert unused.functional_form() == same_middle.functional_form() == SMALLEST.functional_form()
    forms = {
        SMALLEST.functional_form(),
        dataclasses.replace(SMALLEST, expansions=(0.35,) + (0.2,) * 17).functional_form(),
        dataclasses.replace(SMALLEST, depths=(2, 0, 0, 0, 0)).functional_form(),
        dataclasses.replace(SMALLEST, widths=(0, 0, 0, 0, 0, 1)).functional_form(),
        dataclasses.replace(SMALLEST, resolution=208).functional_form(),
    }
    assert len(forms) == 5


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        (Bottleneck(8, 8, 0.25), []),
        (Bottleneck(8, 16, 0.25), [nn.Conv2d, nn.BatchNorm2d]),
        (Bottleneck(8, 8, 0.25, stride=2), [nn.AvgPool2d, nn.Conv2d, nn.BatchNorm2d]),
    ],
)
def test_shortcut_pools_and_projects_where_it_must(block, kinds):
    leaves = [module for module in block.shortcut.modules() if not list(module.children())]
    assert [type(module) for module in leaves if not isinstance(module, nn.Sequential)] == kinds
    x = torch.rand(2, 8, 7, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        block.layers[2][1].weight.zero_()
        out = block.eval()(x)
        assert torch.equal(out, torch.relu(block.shortcut(x)))
    assert out.shape[2:] == ((4, 4) if nn.AvgPool2d in kinds else (7, 7))


def test_small_images_train():
    torch.manual_seed(0)
    module = OFAResNetNetwork(dataclasses.replace(SMALLEST, depths=(2, 0, 0, 0, 0)), num_classes=10)
    module(torch.randn(4, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_text():
    assert str(ResNetSubnet.parse(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("2 1 2 2 1", "1 1 2 2 1"), r"depths d\[0\] is 1: choose from 0, 2"),
        (TEXT.replace("2 1 2 2 1", "0 3 2 2 1"), r"depths d\[1\] is 3: choose from 0, 1, 2"),
        (TEXT.replace("0.25", "0.3", 1), r"expansions e\[0\] is 0.3: choose from 0.2, 0.25, 0.35"),
        (TEXT.replace("0.25 ", "", 1), "expansions e are 18 numbers, not 17"),
        (TEXT.replace(",2 2", ",2 3"), r"widths w\[1\] is 3: choose from 0, 1, 2"),
        (TEXT.replace("224", "2"), "resolution r is 2"),
        ("2 1 2 2 1", "write d,e,w,r"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        ResNetSubnet.parse(text)


def test_labels_that_are_brought_along_are_read(tmp_path):
    (tmp_path / "ofa_resnet_imagenet.csv").write_text(
        f"d,e,w,r,imagenet_top1_mean,params\n{TEXT},79.0,25576264\n"
    )
    (network,) = get_family("ofa_resnet").networks(tmp_path)
    assert (network.key, network.accuracy) == (TEXT, pytest.approx(0.79))
    assert network.metadata == {"parameters": 25_576_264}


def test_pickles_are_not_loaded(tmp_path):
    (tmp_path / "gpi_ofa_resnet_comp_graph_cache.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(
        UserError, match=r"ofa_resnet_imagenet.csv.gz: no such .*gpi_ofa_resnet_comp_graph_cache.pkl"
    ):
        get_family("ofa_resnet").networks(tmp_path)
