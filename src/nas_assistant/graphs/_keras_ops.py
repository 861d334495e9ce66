"""What ``keras.ops`` and arithmetic on symbolic tensors mean in the one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from nas_assistant.graphs._channels_last import (
    Description,
    convolution,
    depthwise_convolution,
    pool,
    transposed_convolution,
    zero_padding,
)
from nas_assistant.graphs._node import is_per_channel
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs.keras_layers import Step, rectifier

Handler = Callable[[Any, Sequence[Any], tuple[int, ...]], Step]
_HANDLERS: dict[str, Handler] = {}


def _handles(names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            _HANDLERS[name] = handler
        return handler

    return register


def describe_operation(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    """The node of one call of a ``keras.Operation``; ``other`` when the table does not know it.

    Args:
        operation: The operation, with its options.
        tensors: Its tensor arguments, symbolic ones and variables alike.
        output: Shape of its first output, with the batch.
    """
    handler = _HANDLERS.get(type(operation).__name__)
    return handler(operation, tensors, output) if handler else Step({"op": Operation.OTHER})


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.shape)


def _last(operation: Any) -> bool:
    return bool(operation.data_format != "channels_first")


def _layout(operation: Any) -> str:
    return "last" if _last(operation) else "first"


@_handles("Conv DepthwiseConv ConvTranspose")
def _convolution(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    builders = {"Conv": convolution, "DepthwiseConv": depthwise_convolution}
    attributes = builders.get(type(operation).__name__, transposed_convolution)(
        _shape(tensors[1]),
        _shape(tensors[0]),
        output,
        strides=operation.strides,
        padding=operation.padding,
        dilation=operation.dilation_rate,
        channels_last=_last(operation),
    )
    return Step(attributes, layout=_layout(operation))


@_handles("MaxPool AveragePool")
def _pool(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    attributes = pool(
        Operation.MAX_POOL if type(operation).__name__ == "MaxPool" else Operation.AVG_POOL,
        _shape(tensors[0]),
        size=operation.pool_size,
        strides=operation.strides,
        padding=operation.padding,
        channels_last=_last(operation),
    )
    return Step(attributes, layout=_layout(operation))


@_handles("Matmul Dot Inner")
def _matmul(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    left, right = _shape(tensors[0]), _shape(tensors[1])
    attributes: Description = {"op": Operation.MATMUL, "macs": math.prod(output[1:]) * left[-1]}
    if is_variable(tensors[1]) and len(right) == 2:
        attributes.update(op=Operation.DENSE, weight_shape=right[::-1])
        return Step(attributes)
    return Step(attributes, layout="plain")


@_handles("Einsum Tensordot")
def _einsum(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    equation = str(getattr(operation, "subscripts", "")).replace(" ", "")
    sizes: dict[str, int] = {}
    for term, tensor in zip(equation.split("->")[0].split(","), tensors, strict=False):
        sizes.update(zip(term, _shape(tensor), strict=False))
    macs = math.prod(sizes.values()) // output[0] if sizes and len(tensors) > 1 else 0
    return Step({"op": Operation.MATMUL, "macs": macs}, layout="plain")


@_handles("Pad")
def _pad(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    amounts = [tuple(pair) for pair in operation.pad_width]
    inner = amounts[1:-1]
    plain = len(inner) in (1, 2) and amounts[0] == amounts[-1] == (0, 0) and operation.mode == "constant"
    return Step(zero_padding(inner) if plain else {"op": Operation.PAD})


@_handles("ReLU")
def _relu(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    return Step(rectifier(operation.negative_slope, operation.max_value, operation.threshold))


@_handles("Clip")
def _clip(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    known = {(0, 6): Operation.RELU6, (-1, 1): Operation.TANH}
    bounds = (operation.x_min, operation.x_max)
    simple = all(isinstance(bound, (int, float)) for bound in bounds)
    return Step({"op": known.get(bounds, Operation.OTHER) if simple else Operation.OTHER})


@_handles("BatchNorm LayerNorm RMSNorm")
def _normalisation(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    op = Operation.BATCH_NORM if type(operation).__name__ == "BatchNorm" else Operation.LAYER_NORM
    return Step({"op": op, "bias": sum(is_variable(t) for t in tensors) > 1})


@_handles("DotProductAttention")
def _attention(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    query, keys = _shape(tensors[0]), _shape(tensors[1])
    return Step({"op": Operation.ATTENTION, "macs": 2 * math.prod(query[1:]) * keys[1]}, layout="plain")


@_handles("GetItem Slice Take")
def _slice(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    return Step({"op": Operation.IDENTITY if _shape(tensors[0]) == output else Operation.SPLIT})


@_handles("Max Amax")
def _maximum(operation: Any, tensors: Sequence[Any], output: tuple[int, ...]) -> Step:
    before = _shape(tensors[0])
    if len(before) == 4 and is_per_channel(output[1:], before[-1]):
        return Step(pool(Operation.MAX_POOL, before, size=before[1:3]))
    return Step({"op": Operation.OTHER})


def is_variable(tensor: Any) -> bool:
    """Whether a tensor is a variable of Keras."""
    return hasattr(tensor, "trainable") and hasattr(tensor, "path")


_SIMPLE = {
    Operation.RELU: "Relu",
    Operation.RELU6: "Relu6",
    Operation.LEAKY_RELU: "LeakyRelu",
    Operation.ELU: "Elu Selu Celu",
    Operation.HARD_SWISH: "HardSilu",
    Operation.HARD_SIGMOID: "HardSigmoid",
    Operation.SWISH: "Silu Mish",
    Operation.GELU: "Gelu",
    Operation.SIGMOID: "Sigmoid LogSigmoid",
    Operation.TANH: "Tanh HardTanh",
    Operation.SOFTMAX: "Softmax LogSoftmax",
    Operation.ADD: "Add Subtract",
    Operation.MUL: "Multiply Divide TrueDivide Negative",
    Operation.CONCAT: "Concatenate Append Stack Hstack Vstack Dstack",
    Operation.MEAN: "Mean Sum",
    Operation.UPSAMPLE: "Resize DepthToSpace",
    Operation.SPLIT: "Split ArraySplit Hsplit Vsplit Unstack",
    Operation.ZERO: "ZerosLike",
    Operation.IDENTITY: "Cast SaturateCast StopGradient ConvertToTensor BroadcastTo View Array Copy Identity",
}
_PLAIN = {
    Operation.RESHAPE: "Reshape Ravel Squeeze ExpandDims",
    Operation.TRANSPOSE: "Transpose Swapaxes Moveaxis",
}


def _simple(op: Operation, layout: str | None) -> Handler:
    return lambda operation, tensors, output: Step({"op": op}, layout=layout)


for _table, _shape_kind in ((_SIMPLE, None), (_PLAIN, "plain")):
    for _operation, _names in _table.items():
        _handles(_names)(_simple(_operation, _shape_kind))
