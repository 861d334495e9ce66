"""A small graph as GENNAPE would write it."""

from __future__ import annotations

import contextlib
import sys
import types
from unittest import mock

MODULE = "model_src.comp_graph.tf_comp_graph"


@contextlib.contextmanager
def gennape_classes():
    """The names of GENNAPE's classes, so that pickle can write them."""
    module = types.ModuleType(MODULE)
    for name in ("ComputeGraph", "RegularNode", "WeightedNode"):
        setattr(module, name, type(name, (), {"__module__": MODULE}))
    parents = {part: types.ModuleType(part) for part in ("model_src", "model_src.comp_graph")}
    with mock.patch.dict(sys.modules, {**parents, MODULE: module}):
        yield module


def make(kind, **fields):
    made = kind()
    made.__dict__.update(fields)
    return made


def node(label, index, resolution, **fields):
    return {"str_id": "0", "label": label, "op_type_idx": index, "resolution": resolution, **fields}


def state(**changes):
    """A stem: convolution, batch norm, ReLU, average, dense layer."""
    metadata = {"data_format": "NHWC", "padding": "same", "dilations": [1, 1, 1, 1]}
    conv = node(
        "conv2d",
        3,
        [8, 4, 8, 4, 3, 6],
        shape=[3, 6, 3, 3],
        strides=[1, 2, 2, 1],
        metadata=metadata,
        str_id="2|net/stem/net/stem/conv/conv2d",
    )
    dense = node("matmul", 8, [1, 1, 1, 1, 6, 10], shape=[6, 10, 0, 0], metadata={"use_bias": True})
    regular = [
        node("input", 1, [8, 8, 8, 8, 3, 3]),
        node("fusedbatchnorm", 5, [4, 4, 4, 4, 6, 6]),
        node("relu", 6, [4, 4, 4, 4, 6, 6]),
        node("mean", 19, [4, 1, 4, 1, 6, 6]),
        node("identity", 25, [1, 1, 1, 1, 6, 6]),
        node("output", 2, [1, 1, 1, 1, 10, 10]),
    ]
    edges = [[0, 3], [1, 7], [2, 0], [3, 4], [4, 5], [5, 6], [6, 1]]
    return {
        "name": "small",
        "input_shape": [1, 8, 8, 3],
        "edge_pairs": edges,
        "weighted_nodes": [conv, dense],
        "regular_nodes": regular,
        **changes,
    }


def as_objects(classes, data):
    objects = dict(data)
    for field, kind in (("regular_nodes", classes.RegularNode), ("weighted_nodes", classes.WeightedNode)):
        objects[field] = [make(kind, **fields) for fields in data[field]]
    return make(classes.ComputeGraph, **objects)
