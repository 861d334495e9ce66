"""The one vocabulary of primitive operations that every front end maps to."""

from __future__ import annotations

import enum


class Operation(enum.StrEnum):
    """A primitive operation of a network (Mishra 2023, section 2.1.1).

    The order is part of the checkpoint format: append, never insert.
    """

    INPUT = "input"
    OUTPUT = "output"
    CONV = "conv"
    DEPTHWISE_CONV = "depthwise_conv"
    CONV_TRANSPOSE = "conv_transpose"
    DENSE = "dense"
    BATCH_NORM = "batch_norm"
    LAYER_NORM = "layer_norm"
    GROUP_NORM = "group_norm"
    RELU = "relu"
    RELU6 = "relu6"
    LEAKY_RELU = "leaky_relu"
    ELU = "elu"
    HARD_SWISH = "hard_swish"
    HARD_SIGMOID = "hard_sigmoid"
    SWISH = "swish"
    GELU = "gelu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SOFTMAX = "softmax"
    ADD = "add"
    MUL = "mul"
    MATMUL = "matmul"
    CONCAT = "concat"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    GLOBAL_AVG_POOL = "global_avg_pool"
    PAD = "pad"
    RESHAPE = "reshape"
    TRANSPOSE = "transpose"
    MEAN = "mean"
    IDENTITY = "identity"
    DROPOUT = "dropout"
    ATTENTION = "attention"
    EMBEDDING = "embedding"
    RECURRENT = "recurrent"
    UPSAMPLE = "upsample"
    SPLIT = "split"
    ZERO = "zero"
    OTHER = "other"


ACTIVATIONS = frozenset(
    {
        Operation.RELU,
        Operation.RELU6,
        Operation.LEAKY_RELU,
        Operation.ELU,
        Operation.HARD_SWISH,
        Operation.HARD_SIGMOID,
        Operation.SWISH,
        Operation.GELU,
        Operation.SIGMOID,
        Operation.TANH,
        Operation.SOFTMAX,
    }
)

NORMALISATIONS = frozenset({Operation.BATCH_NORM, Operation.LAYER_NORM, Operation.GROUP_NORM})

COMMUTATIVE = frozenset({Operation.ADD, Operation.MUL})
"""Operations whose result does not depend on the order of their inputs."""
