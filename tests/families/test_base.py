from __future__ import annotations

import gzip
import random

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.families import BaseFamily, get_family, list_families, register

from .conftest import build_meta

NAMES = ["nb101", "nb201", "nb301", "channel_resnet", "channel_mobilenet"]
OFA = ["ofa_resnet", "ofa_proxylessnas", "ofa_mbv3"]
GENNAPE = ["hiaml", "inception", "two_path"]
# Rows of the tables: samples of nb101 and nb301, complete otherwise.
ROWS = {
    "nb101": 25_001,
    "nb201": 15_625,
    "nb301": 10_000,
    "channel_resnet": 16_384,
    "channel_mobilenet": 16_384,
}


def test_families_are_registered_once():
    assert list_families()[: len(NAMES)] == NAMES
    with pytest.raises(ValueError, match="'nb201' is registered already"):
        register(get_family("nb201"))
    with pytest.raises(UserError, match="choose from nb101, nb201"):
        get_family("nb102")


@pytest.mark.parametrize("name", [*NAMES, *OFA, *GENNAPE])
def test_family_conforms(name):
    family = get_family(name)
    assert isinstance(family, BaseFamily)
    first, again = (family.sample(random.Random(3)) for _ in range(2))
    assert first == again
    assert len({family.sample(random.Random(seed)) for seed in range(20)}) > 10
    torch.manual_seed(0)
    module = family.build(first).eval()
    with torch.no_grad():
        logits = module(torch.randn(2, *family.input_shape))
    assert logits.shape == (2, family.num_classes)
    assert torch.isfinite(logits).all()
    assert all(parameter.is_meta for parameter in build_meta(family, first).parameters())


@pytest.mark.parametrize("name", [*NAMES, *OFA, *GENNAPE])
def test_sampled_networks_become_graphs(name):
    family = get_family(name)
    for seed in range(3):
        read = family.graph(family.sample(random.Random(seed)))
        assert read.input_shape == family.input_shape
        assert read.output_shape == (family.num_classes,)


@pytest.mark.labels
@pytest.mark.parametrize("name", NAMES)
def test_label_tables_are_read_whole(name, labels):
    networks = labels(name)
    assert len(networks) == ROWS[name]
    assert len({network.key for network in networks}) == len(networks)
    assert all(0 < network.accuracy < 1 for network in networks)
    assert len({network.encoding for network in networks}) == len(networks)


@pytest.mark.labels
def test_a_larger_limit_only_adds_networks(labels):
    labels("channel_resnet")
    family = get_family("channel_resnet")
    few, more = family.networks(limit=5, seed=4), family.networks(limit=50, seed=4)
    assert more[:5] == few
    assert family.networks(limit=5, seed=5) != few


@pytest.mark.parametrize("name", [*NAMES, *OFA, *GENNAPE])
def test_missing_table_is_named_with_the_remedy(name, tmp_path):
    family = get_family(name)
    with pytest.raises(UserError, match=f"{family.table}.*NAS_ASSISTANT_DATA"):
        family.networks(tmp_path)


@pytest.mark.parametrize("name", [*NAMES, *OFA])
def test_damaged_tables_are_told_in_one_line(name, tmp_path):
    family = get_family(name)
    path = tmp_path / family.table
    path.write_bytes(b"no gzip")
    with pytest.raises(UserError, match="not a CSV table"):
        family.networks(tmp_path)
    path.write_bytes(gzip.compress(bytes(random.Random(0).randbytes(4000)))[:2000])
    with pytest.raises(UserError, match="not a CSV table"):
        family.networks(tmp_path)
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(UserError, match="it has no column"):
        family.networks(tmp_path)


def test_environment_names_the_folder(tmp_path, monkeypatch):
    (tmp_path / "nb201.csv").write_text(
        "index,arch_str,cifar10_test_200\n7,|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|,81.5\n"
    )
    monkeypatch.setenv("NAS_ASSISTANT_DATA", str(tmp_path))
    (network,) = get_family("nb201").networks()
    assert (network.key, network.accuracy) == ("7", pytest.approx(0.815))


def test_a_bad_row_is_named_by_its_line(tmp_path):
    (tmp_path / "nb201.csv").write_text("index,arch_str,cifar10_test_200\n0,|conv~0|,81.5\n")
    with pytest.raises(UserError, match=r"nb201.csv, line 2: .*not a NAS-Bench-201 cell: '\|conv~0\|'"):
        get_family("nb201").networks(tmp_path)
