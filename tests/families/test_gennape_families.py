from __future__ import annotations

import itertools
import json
import random
from statistics import fmean

import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families._gennape_layers import ConvBN
from nas_assistant.families._inception_layers import PathModule
from nas_assistant.families.hiaml import BLOCKS, WIDTHS, HiAMLBlock, HiAMLNet
from nas_assistant.families.inception import InceptionBlock, Route
from nas_assistant.families.two_path import CONVOLUTIONS, SUPPLEMENTS, TwoPathBlock, check_block

from .conftest import build_meta, check_cost, parameters

INCEPTION = (
    "6x32/1 depthwise5x5:16>16 inception_s3x3:16>16 depthwise5x5+conv5x5:16>16 | "
    "2x64/2 conv5x5+double1x1:128>64 | 5x128/2 conv3x3:128>128 | "
    "3x256/2 inception_s5x5:64>64 conv5x5+inception_p5x5+conv1x1+conv3x3+inception_s3x3+conv5x5+"
    "inception_s3x3+depthwise5x5+inception_p3x3+inception_s5x5+depthwise5x5:32>64 "
    "inception_p3x3+inception_s3x3:32>64 inception_s3x3:64>64"
)
TWO_PATH = (
    "conv5x5 conv5x5 @0,1 | double3x3+bottleneck-e2-k3 conv1x1+bottleneck-r2-k3 "
    "bottleneck-e2-k3+bottleneck-r2-k3+bottleneck-e2-k1 bottleneck-r2-k3 @1,3"
)


@pytest.mark.parametrize(
    ("name", "text", "expected_parameters", "macs"),
    [
        ("hiaml", "src1 src1 r30 src3", 2_220_746, 122_079_744),
        ("inception", INCEPTION, 3_537_898, 242_841_088),
        (
            "inception",
            "2x32/1 conv3x3:32>32 | 2x64/2 conv3x3:64>64 | 2x128/2 conv3x3:128>128 | 2x256/2 conv3x3:256>256",
            2_369_802,
            81_105_920,
        ),
        ("two_path", TWO_PATH, 1_780_362, 57_709_568),
        ("two_path", "conv3x3 conv3x3 @0,1 | conv3x3 conv3x3 @0,1", 1_381_098, 26_842_112),
    ],
)
def test_costs(name, text, expected_parameters, macs):
    family = get_family(name)
    encoding = family.parse(text)
    assert family.format(encoding) == text
    check_cost(family, encoding, expected_parameters, macs)


HIAML = {
    "z": 2_714_698,
    "a22": 1_895_498,
    "b23": 2_390_090,
    "j30": 2_756_426,
    "g30": 2_597_194,
    "r30": 2_638_922,
    "l20": 1_688_394,
    "t20": 1_281_098,
    "t31": 2_638_922,
    "src0": 3_861_578,
    "src1": 2_939_594,
    "src3": 1_999_818,
    "src7": 2_637_386,
    "src8": 1_611_082,
}


def test_every_hiaml_block_has_its_parameters():
    built = {name: parameters(build_meta(get_family("hiaml"), HiAMLNet((name,) * 4))) for name in BLOCKS}
    assert built == HIAML


def test_the_mean_of_all_hiaml_networks():
    networks = [build_meta(get_family("hiaml"), HiAMLNet((name,) * 4)) for name in BLOCKS]
    outside = parameters(networks[0]) - parameters(networks[0].stages)
    stages = [fmean(parameters(network.stages[stage]) for network in networks) for stage in range(4)]
    assert round(outside + sum(stages)) == 2_403_621
    assert len(BLOCKS) ** 4 == 38_416


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 8, 2), (4, 4, 2)])
def test_a_hiaml_block_ends_with_a_relu(name, inputs, outputs, stride):
    torch.manual_seed(0)
    block = HiAMLBlock(name, inputs, outputs, stride).eval()
    with torch.no_grad():
        out = block(torch.randn(2, inputs, 8, 8))
    assert out.shape == (2, outputs, 8 // stride, 8 // stride)
    assert out.min() == 0


def test_hiaml_projects_only_where_the_shape_changes():
    assert isinstance(HiAMLBlock("b23", 4, 4, 1).steps["p"], nn.Identity)
    first, second = (HiAMLBlock("r30", 4, 8, 2).steps[step] for step in "pq")
    assert isinstance(first, ConvBN) and isinstance(second, ConvBN) and first is not second
    assert WIDTHS == (64, 128, 128, 256)


def test_two_path_has_1624_blocks():
    valid = 0
    for length in (1, 2, 3):
        for block in itertools.product((*CONVOLUTIONS, *SUPPLEMENTS), repeat=length):
            try:
                check_block(block)
            except UserError:
                continue
            valid += 1
    assert valid == 1624


def zeroed(block):
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)
    return block.eval()


@pytest.mark.parametrize(
    ("block", "adds"),
    [
        (TwoPathBlock(("conv3x3", "bottleneck-r4-k3"), 4, 4, 1), True),
        (TwoPathBlock(("double3x3",), 4, 8, 2), False),
        (InceptionBlock((Route(("inception_p3x3",), 4, 4),), 4, 4, 1), True),
        (InceptionBlock((Route(("conv3x3",), 4, 4),) * 2, 4, 4, 1), True),
        (InceptionBlock((Route(("inception_p5x5",), 6, 6),), 4, 6, 1), False),
        (InceptionBlock((Route(("inception_p5x5",), 4, 4),), 4, 4, 2), False),
    ],
)
def test_input_is_added_where_the_shape_stays(block, adds):
    x = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = zeroed(block)(x)
    assert torch.equal(out, x) if adds else not out.any()


def convolutions(module):
    return [
        (m.in_channels, m.out_channels, m.stride[0]) for m in module.modules() if isinstance(m, nn.Conv2d)
    ]


def test_the_first_convolution_of_a_two_path_block_changes_width_and_size():
    block = TwoPathBlock(("conv1x1", "conv3x3", "conv5x5"), 4, 8, 2)
    assert convolutions(block) == [(4, 4, 1), (4, 8, 2), (8, 8, 1)]
    assert convolutions(TwoPathBlock(("double3x3",), 4, 8, 2)) == [(4, 4, 2), (4, 8, 1)]
    assert convolutions(TwoPathBlock(("bottleneck-e2-k3",), 4, 6, 2)) == [(4, 8, 2), (8, 6, 1)]
    assert convolutions(TwoPathBlock(("bottleneck-r4-k3",), 2, 6, 2)) == [(2, 1, 2), (1, 6, 1)]


def test_the_ends_of_an_inception_path_change_the_width():
    path = PathModule(("maxpool3x3", "conv1x1", "conv3x3", "conv5x5"), 3, 5, 7, stride=2)
    assert convolutions(path) == [(3, 5, 1), (5, 5, 2), (5, 7, 1)]
    assert path(torch.randn(1, 3, 8, 8)).shape == (1, 7, 4, 4)


@pytest.mark.parametrize("operation", ["inception_p3x3", "inception_p5x5", "inception_s3x3", "depthwise5x5"])
@pytest.mark.parametrize("stride", [1, 2])
def test_inception_operations_keep_their_shape(operation, stride):
    path = PathModule((operation,), 4, 7, 7, stride)
    assert path(torch.randn(1, 4, 8, 8)).shape == (1, 7, 8 // stride, 8 // stride)


@pytest.mark.parametrize("seed", range(5))
def test_sampled_inception_networks_are_within_the_space(seed):
    longest, shortest = {1: 3, 2: 4, 3: 8, 4: 10}, {1: 1, 2: 1, 3: 2, 4: 2}
    rng = random.Random(seed)
    for _ in range(50):
        for place, stage in enumerate(get_family("inception").sample(rng).stages):
            lengths = [len(path.operations) for path in stage.paths]
            assert 2 <= stage.blocks <= 6
            assert (stage.outputs, stage.stride) == (32 << place, 2 if place else 1)
            assert sum(lengths) <= longest[len(lengths)]
            assert min(lengths) >= shortest[len(lengths)]
            widths = [path.outputs for path in stage.paths]
            assert min(widths) >= 16
            assert sum(widths) == max(stage.outputs, 16 * len(widths)) or stage.outputs < 64
            for path in stage.paths:
                assert sum(op in ("conv1x1", "double1x1") or "pool" in op for op in path.operations) <= 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("hiaml", "z z z", "has 4 blocks, this one 3"),
        ("hiaml", "z z z z9", "no block 'z9'"),
        ("two_path", "conv3x3 conv3x3 @0,1", "not a Two-Path network"),
        ("two_path", "conv3x3 conv3x3 @0,1 | conv3x3 conv3x3 @1,0", "two of them to reduce"),
        ("two_path", "conv3x3 conv3x3 @0,1 | conv3x3 conv3x3 @0,2", "two of them to reduce"),
        ("two_path", "conv3x3 conv3x3 @0,1 | conv3x3 @0,1", "2 to 4 blocks, this one 1"),
        ("two_path", "conv3x3 conv3x3 @0,1 | conv3x3 conv1x1 @0,1", "block conv1x1 .* at least one"),
        ("two_path", "conv3x3 conv9x9 @0,1 | conv3x3 conv3x3 @0,1", "no operation 'conv9x9'"),
        ("inception", "2x32/1 conv3x3:32>32", "has 4 stages, this one 1"),
        ("inception", "2x32/1 conv3x3:32>16", "must be equal"),
        ("inception", "2x32/1 conv1x1:32>32", "has one of conv3x3"),
        ("inception", "2x32/1 conv7x7:32>32", "no operation 'conv7x7'"),
        ("inception", "99x32/1 conv3x3:32>32", "1 to 16 blocks"),
        ("inception", "2x9999/1 conv3x3:32>32", "up to 4096 channels"),
        ("inception", "2x32/1 conv3x3:1>1", "2 to 4096 channels"),
    ],
)
def test_other_networks_are_refused(name, text, told):
    with pytest.raises(UserError, match=told):
        get_family(name).parse(text)


def to_config(name, encoding):
    """A ``net_config`` in the public files' form."""
    if name == "hiaml":
        return [f"hiaml_{block}" for block in encoding.blocks]
    if name == "two_path":
        return {
            key: value
            for path in ("path1", "path2")
            for key, value in {
                path: [
                    {"op_names": list(block), "op_types": ["conv"] * len(block)}
                    for block in getattr(encoding, path).blocks
                ],
                f"{path}_reduce_inds": list(getattr(encoding, path).reduce)[::-1],
            }.items()
        }
    stages, width = [], 32
    for stage in encoding.stages:
        paths = [
            {
                "ops": list(path.operations),
                "op_types": ["conv"] * len(path.operations),
                "C_internal": path.internal,
                "C_out": path.outputs,
            }
            for path in stage.paths
        ]
        stages.append(
            {
                "block": {"paths": paths},
                "n_blocks": stage.blocks,
                "C_in": width,
                "C_out": stage.outputs,
                "stride": stage.stride,
            }
        )
        width = stage.outputs
    return {"stages": stages}


NAMES = ["hiaml", "inception", "two_path"]


def write_labels(folder, name, accuracies):
    """A file of labelled networks, and the encodings in it."""
    family, rng = get_family(name), random.Random(0)
    encodings = [family.sample(rng) for _ in accuracies]
    data = {
        str(index + 7): {
            "net_config": to_config(name, encoding),
            "perfs": [accuracy - 1, accuracy],
            "max_perf": accuracy,
            "cg": {},
        }
        for index, (encoding, accuracy) in enumerate(zip(encodings, accuracies, strict=True))
    }
    (folder / family.table).write_text(json.dumps(data))
    return data, encodings


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_read(tmp_path, name):
    accuracies = [92.5, 91.0, 93.99, 92.51, 93.995]
    _, encodings = write_labels(tmp_path, name, accuracies)
    family = get_family(name)
    networks = family.networks(tmp_path)
    assert [network.encoding for network in networks] == encodings
    assert [network.key for network in networks] == ["7", "8", "9", "10", "11"]
    assert [network.accuracy for network in networks] == pytest.approx([a / 100 for a in accuracies])
    assert networks[0].metadata["mean_accuracy"] == pytest.approx(0.92)
    views = family.views(networks)
    assert views.pop("all") == networks
    if name == "inception":
        assert views == {}
    else:
        (kept,) = views.values()
        assert [network.key for network in kept] == ["11", "10", "8"]


def test_inception_stages_may_come_without_their_names(tmp_path):
    family = get_family("inception")
    data, encodings = write_labels(tmp_path, "inception", [92.0])
    stages = data["7"]["net_config"]["stages"]
    data["7"]["net_config"] = [{**stage, "block": stage["block"]["paths"]} for stage in stages]
    (tmp_path / family.table).write_text(json.dumps(data))
    assert [network.encoding for network in family.networks(tmp_path)] == encodings


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_perf": "high"}, "entry 7"),
        ({"max_perf": 930.0}, "entry 7: .* no fraction"),
        ({"max_perf": None}, "entry 7"),
        ({"perfs": 3}, "entry 7"),
        ({"net_config": 5}, "entry 7"),
        ({"net_config": {}}, "entry 7"),
        ({"net_config": ["hiaml_z", {}]}, "entry 7"),
    ],
)
def test_bad_entries_are_named(tmp_path, name, change, told):
    family = get_family(name)
    data, _ = write_labels(tmp_path, name, [92.0, 93.0])
    data["7"].update(change)
    (tmp_path / family.table).write_text(json.dumps(data))
    with pytest.raises(UserError, match=told) as caught:
        family.networks(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    del data["7"]["max_perf"]
    data["7"]["net_config"] = data["8"]["net_config"]
    data["7"]["perfs"] = []
    (tmp_path / family.table).write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"entry 7: .* has no 'max_perf'"):
        family.networks(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "told"), [(b"\xff", "not a JSON"), (b"{", "not a JSON"), (b"[]", "by id")]
)
def test_damaged_label_files_are_told_in_one_line(tmp_path, name, content, told):
    family = get_family(name)
    (tmp_path / family.table).write_bytes(content)
    with pytest.raises(UserError, match=told):
        family.networks(tmp_path)
    (tmp_path / family.table).unlink()
    with pytest.raises(UserError, match=f"{family.table}.*NAS_ASSISTANT_DATA"):
        family.networks(tmp_path)
