from __future__ import annotations

from functools import cache

import pytest
import torch

from nas_assistant.families import find_data_root, get_family
from nas_assistant.graphs import ComputationalGraph


@cache
def all_labels(name):
    return get_family(name).networks()


@pytest.fixture
def labels():
    """Labelled networks of a family by its name; skips where the table is not there."""

    def read(name):
        path = find_data_root() / get_family(name).table
        if not path.is_file():
            pytest.skip(f"no label table {path}: set NAS_ASSISTANT_DATA to its folder")
        return all_labels(name)

    return read


def build_meta(family, encoding):
    with torch.device("meta"):
        return family.build(encoding)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def graph(module):
    return ComputationalGraph.from_torch(module, torch.empty(2, 3, 32, 32, device="meta"))


def check_cost(family, encoding, expected_parameters, expected_macs):
    module = build_meta(family, encoding)
    assert parameters(module) == expected_parameters
    read = graph(module)
    assert read.parameters == expected_parameters
    assert read.macs == expected_macs
    assert read.warnings == ()
