"""What TensorFlow's operations mean in the one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from nas_assistant.graphs._channels_last import (
    convolution,
    depthwise_convolution,
    pool,
    transposed_convolution,
    zero_padding,
)
from nas_assistant.graphs._node import is_per_channel
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs.keras_layers import Step

Shape = tuple[int, ...]
Handler = Callable[[Any, Sequence[Shape]], Step]
_HANDLERS: dict[str, Handler] = {}


def _handles(names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            _HANDLERS[name] = handler
        return handler

    return register


def describe_tensorflow(operation: Any, weights: Sequence[Shape]) -> Step:
    """The node of one ``tf.Operation``; ``other`` when the table does not know it.

    Args:
        operation: The operation in its graph, all shapes known.
        weights: Shapes of the variables behind its constant inputs.
    """
    handler = _HANDLERS.get(operation.type)
    return handler(operation, weights) if handler else Step({"op": Operation.OTHER})


def _shape(tensor: Any) -> Shape:
    return tuple(int(size) for size in tensor.shape)


def _text(operation: Any, name: str) -> str:
    return str(operation.get_attr(name).decode())


def _last(operation: Any) -> bool:
    return not _text(operation, "data_format").startswith("NC")


def _inner(operation: Any, values: Sequence[int]) -> list[int]:
    """Of one number for each axis those of the spatial axes."""
    return list(values[1:-1] if _last(operation) else values[2:])


def _padding(operation: Any) -> Any:
    kind = _text(operation, "padding").lower()
    if kind != "explicit":
        return kind
    amounts = list(operation.get_attr("explicit_paddings"))
    pairs = _inner(operation, list(zip(amounts[::2], amounts[1::2], strict=True)))  # type: ignore[arg-type]
    return zero_padding(pairs)["padding"]  # type: ignore[arg-type]


@_handles("Conv2D Conv3D DepthwiseConv2dNative")
def _convolution(operation: Any, weights: Sequence[Shape]) -> Step:
    build = depthwise_convolution if operation.type.startswith("Depthwise") else convolution
    attributes = build(
        _shape(operation.inputs[1]),
        _shape(operation.inputs[0]),
        _shape(operation.outputs[0]),
        strides=_inner(operation, operation.get_attr("strides")),
        padding=_padding(operation),
        dilation=_inner(operation, operation.get_attr("dilations")),
        channels_last=_last(operation),
    )
    return Step(attributes, layout="last" if _last(operation) else "first")


@_handles("Conv2DBackpropInput")
def _transposed(operation: Any, weights: Sequence[Shape]) -> Step:
    attributes = transposed_convolution(
        _shape(operation.inputs[1]),
        _shape(operation.inputs[2]),
        _shape(operation.outputs[0]),
        strides=_inner(operation, operation.get_attr("strides")),
        channels_last=_last(operation),
    )
    return Step(attributes, layout="last" if _last(operation) else "first")


@_handles("MaxPool AvgPool MaxPool3D AvgPool3D")
def _pool(operation: Any, weights: Sequence[Shape]) -> Step:
    attributes = pool(
        Operation.MAX_POOL if operation.type.startswith("Max") else Operation.AVG_POOL,
        _shape(operation.inputs[0]),
        size=_inner(operation, operation.get_attr("ksize")),
        strides=_inner(operation, operation.get_attr("strides")),
        padding=_text(operation, "padding"),
        channels_last=_last(operation),
    )
    return Step(attributes, layout="last" if _last(operation) else "first")


@_handles("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3")
def _matmul(operation: Any, weights: Sequence[Shape]) -> Step:
    flipped = "transpose_a" if operation.type == "MatMul" else "adj_x"
    left = _shape(operation.inputs[0])
    summed = left[-2] if operation.get_attr(flipped) else left[-1]
    macs = math.prod(_shape(operation.outputs[0])[1:]) * summed
    right = _shape(operation.inputs[1])
    if weights and len(right) == 2:
        units = math.prod(right) // summed
        return Step({"op": Operation.DENSE, "weight_shape": (units, summed), "macs": macs})
    return Step({"op": Operation.MATMUL, "macs": macs}, layout="plain")


@_handles("Einsum")
def _einsum(operation: Any, weights: Sequence[Shape]) -> Step:
    terms = _text(operation, "equation").replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, operation.inputs, strict=False):
        sizes.update(zip(term, _shape(tensor), strict=False))
    batch = _shape(operation.outputs[0])[0] if operation.outputs[0].shape else 1
    return Step({"op": Operation.MATMUL, "macs": math.prod(sizes.values()) // batch}, layout="plain")


@_handles("FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3")
def _batch_norm(operation: Any, weights: Sequence[Shape]) -> Step:
    channels = _shape(operation.inputs[1])
    return Step({"op": Operation.BATCH_NORM, **({"weight_shape": channels, "bias": True} if weights else {})})


@_handles("Pad PadV2 MirrorPad")
def _pad(operation: Any, weights: Sequence[Shape]) -> Step:
    amounts = tf.get_static_value(operation.inputs[1])
    value = tf.get_static_value(operation.inputs[2]) if operation.type == "PadV2" else 0
    if amounts is None or value != 0 or operation.type == "MirrorPad":
        return Step({"op": Operation.PAD})
    pairs = [tuple(int(a) for a in pair) for pair in amounts]
    inner = [pair for pair in pairs[1:] if pair != (0, 0)]
    if not inner:
        return Step({"op": Operation.IDENTITY})
    if len(pairs) != 4 or pairs[0] != (0, 0) or pairs[-1] != (0, 0):
        return Step({"op": Operation.PAD})
    return Step(zero_padding(pairs[1:-1]), layout="last")


@_handles("ResourceGather")
def _embedding(operation: Any, weights: Sequence[Shape]) -> Step:
    weight = {"weight_shape": weights[0]} if weights else {}
    return Step({"op": Operation.EMBEDDING, **weight}, layout="plain")


@_handles("StridedSlice Slice GatherV2 Gather GatherNd")
def _slice(operation: Any, weights: Sequence[Shape]) -> Step:
    if operation.type == "GatherV2" and weights and operation.inputs[0].shape == weights[0]:
        return Step({"op": Operation.EMBEDDING, "weight_shape": weights[0]}, layout="plain")
    same = _shape(operation.inputs[0]) == _shape(operation.outputs[0])
    return Step({"op": Operation.IDENTITY if same else Operation.SPLIT})


@_handles("Max")
def _maximum(operation: Any, weights: Sequence[Shape]) -> Step:
    before, after = _shape(operation.inputs[0]), _shape(operation.outputs[0])
    if len(before) == 4 and is_per_channel(after[1:], before[-1]):
        return Step(pool(Operation.MAX_POOL, before, size=before[1:3]))
    return Step({"op": Operation.OTHER})


_SIMPLE = {
    Operation.RELU: "Relu",
    Operation.RELU6: "Relu6",
    Operation.LEAKY_RELU: "LeakyRelu",
    Operation.ELU: "Elu Selu",
    Operation.SIGMOID: "Sigmoid",
    Operation.TANH: "Tanh",
    Operation.SOFTMAX: "Softmax LogSoftmax",
    Operation.ADD: "Add AddV2 AddN Sub BiasAdd",
    Operation.MUL: "Mul RealDiv Div DivNoNan Neg",
    Operation.CONCAT: "ConcatV2 Concat Pack",
    Operation.MEAN: "Mean Sum",
    Operation.UPSAMPLE: "ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea DepthToSpace",
    Operation.SPLIT: "Split SplitV Unpack",
    Operation.ZERO: "ZerosLike",
    Operation.IDENTITY: "Identity Cast StopGradient PreventGradient BroadcastTo EnsureShape CheckNumerics",
}
_PLAIN = {
    Operation.RESHAPE: "Reshape Squeeze ExpandDims",
    Operation.TRANSPOSE: "Transpose",
}


def _simple(op: Operation, layout: str | None) -> Handler:
    return lambda operation, weights: Step({"op": op}, layout=layout)


for _table, _layout in ((_SIMPLE, None), (_PLAIN, "plain")):
    for _operation, _names in _table.items():
        _handles(_names)(_simple(_operation, _layout))
