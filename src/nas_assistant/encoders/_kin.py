"""What the encoder makes of operations that its training never showed it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from nas_assistant.encoders._encoder import GraphEncoder
from nas_assistant.encoders._features import MASKED, GraphArrays
from nas_assistant.graphs import ACTIVATIONS, Operation

_KIN: dict[Operation, Operation] = {
    Operation.DEPTHWISE_CONV: Operation.CONV,
    Operation.CONV_TRANSPOSE: Operation.CONV,
    Operation.ATTENTION: Operation.CONV,
    Operation.RECURRENT: Operation.DENSE,
    Operation.EMBEDDING: Operation.DENSE,
    Operation.MATMUL: Operation.DENSE,
    Operation.LAYER_NORM: Operation.BATCH_NORM,
    Operation.GROUP_NORM: Operation.BATCH_NORM,
    Operation.MUL: Operation.ADD,
    Operation.AVG_POOL: Operation.MAX_POOL,
    Operation.MEAN: Operation.GLOBAL_AVG_POOL,
    **{activation: Operation.RELU for activation in ACTIVATIONS if activation is not Operation.RELU},
}


def adopt_kin(encoder: GraphEncoder, graphs: Iterable[GraphArrays]) -> None:
    """Give every value of an attribute that ``graphs`` do not have the embedding of its nearest relative.

    An embedding that no gradient reached is noise. An operation takes that of its kin (an average pool that
    of a max pool), one without kin that of the dummy, which stands for any; kernels and strides take that of
    the nearest size.

    Args:
        encoder: Changed in place.
        graphs: What it was trained on, with nodes masked at random.
    """
    rows = np.concatenate([np.unique(graph.categories, axis=0) for graph in graphs])
    with torch.no_grad():
        for column, embedding in enumerate(encoder.embed.categories):
            weight = embedding.weight
            assert isinstance(weight, torch.Tensor)
            seen = set(np.unique(rows[:, column]).tolist())
            for value in range(len(weight)):
                if value not in seen:
                    weight[value] = weight[_relative(value, seen) if column == 0 else _nearest(value, seen)]


def _relative(value: int, seen: set[int]) -> int:
    order = list(Operation)
    kin = _KIN.get(order[value]) if value < len(order) else None
    return order.index(kin) if kin is not None and order.index(kin) in seen else MASKED


def _nearest(value: int, seen: set[int]) -> int:
    return min(seen, key=lambda other: (abs(other - value), other))
