"""What Keras layers mean in the one vocabulary: a table from class to the steps that it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from nas_assistant.graphs._channels_last import (
    Description,
    convolution,
    depthwise_convolution,
    global_pool,
    pool,
    transposed_convolution,
    zero_padding,
)
from nas_assistant.graphs._operations import Operation

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One node of a layer.

    Attributes:
        attributes: Keyword arguments of :meth:`GraphBuilder.add`, ``op`` included.
        shape: Shape of its output as Keras has it, with the batch; None for the layer's own.
        variables: What it reads; None for all variables of the layer.
        layout: ``last`` or ``first`` for a feature map, ``plain`` for anything else, None as its input.
    """

    attributes: Description
    shape: Shape | None = None
    variables: tuple[Any, ...] | None = None
    layout: str | None = None


Handler = Callable[[Any, Sequence[Shape], Shape], list[Step]]
_HANDLERS: dict[str, Handler] = {}

_L = keras.layers
_FIRST = (
    *(_L.Embedding, _L.Dense, _L.EinsumDense, _L.RNN, _L.Conv1D, _L.Conv2D, _L.Conv3D),
    *(_L.SeparableConv1D, _L.SeparableConv2D, _L.DepthwiseConv1D, _L.DepthwiseConv2D),
)
"""Layers of which the first tells whether a model begins with numbers or with tokens."""


def _handles(names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            _HANDLERS[name] = handler
        return handler

    return register


def describe_layer(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    """The steps of one of Keras's own layers; ``other`` when the table does not know it.

    Args:
        layer: The layer, built.
        inputs: Shapes of its input tensors, with the batch.
        output: Shape of its first output, with the batch.
    """
    for kind in type(layer).__mro__:
        if kind.__name__ in _HANDLERS and kind.__module__.startswith("keras."):
            return _HANDLERS[kind.__name__](layer, inputs, output)
    return [Step({"op": Operation.OTHER})]


def weights_of(model: Any) -> list[Any]:
    """Variables that training changes once nothing is frozen, in their order.

    Args:
        model: A Keras model or layer, which notes them whether or not they are frozen; or a ``tf.Module``.
    """
    if not isinstance(model, keras.layers.Layer):
        return list(model.trainable_variables)
    noted = {id(v) for layer in model._flatten_layers() for v in layer._trainable_variables}
    return [v for v in model.variables if id(v) in noted]


def reads_tokens(model: Any) -> bool:
    """Whether a model that declares no input begins with an embedding, its first layer with weights."""
    first = next((layer for layer in _as_declared(model) if isinstance(layer, _FIRST)), None)
    return isinstance(first, keras.layers.Embedding)


def _as_declared(layer: Any) -> Iterator[Any]:
    """A layer and those in it, in the order in which they were assigned."""
    yield layer
    for part in getattr(layer, "_layers", ()):
        yield from _as_declared(part)


def reads_channels_last(model: Any) -> bool:
    """Whether the maps that a model is given have their channels last, by its layers or else by Keras."""
    layers = model._flatten_layers() if isinstance(model, keras.layers.Layer) else []
    first = any(not _last(layer) for layer in layers)
    turned = any(isinstance(layer, keras.layers.Permute) for layer in layers)
    return keras.config.image_data_format() == "channels_last" and (turned or not first)


def _last(layer: Any) -> bool:
    return bool(getattr(layer, "data_format", "channels_last") != "channels_first")


def _layout(layer: Any) -> str:
    return "last" if _last(layer) else "first"


@_handles("Conv1D Conv2D Conv3D")
def _convolution(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    attributes = convolution(
        tuple(layer.kernel.shape), inputs[0], output, bias=layer.use_bias, **_window(layer)
    )
    return [Step(attributes, layout=_layout(layer))]


@_handles("DepthwiseConv1D DepthwiseConv2D")
def _depthwise(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    attributes = depthwise_convolution(
        tuple(layer.kernel.shape), inputs[0], output, bias=layer.use_bias, **_window(layer)
    )
    return [Step(attributes, layout=_layout(layer))]


@_handles("SeparableConv1D SeparableConv2D")
def _separable(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    depthwise, pointwise = layer.depthwise_kernel, layer.pointwise_kernel
    channels = int(pointwise.shape[-2])
    between = (*output[:-1], channels) if _last(layer) else (output[0], channels, *output[2:])
    first = depthwise_convolution(tuple(depthwise.shape), inputs[0], between, **_window(layer))
    second = convolution(
        tuple(pointwise.shape), between, output, bias=layer.use_bias, channels_last=_last(layer)
    )
    rest = tuple(v for v in weights_of(layer) if v is not depthwise)
    return [
        Step(first, shape=between, variables=(depthwise,), layout=_layout(layer)),
        Step(second, variables=rest, layout=_layout(layer)),
    ]


@_handles("Conv1DTranspose Conv2DTranspose Conv3DTranspose")
def _transposed(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    attributes = transposed_convolution(
        tuple(layer.kernel.shape), inputs[0], output, bias=layer.use_bias, **_window(layer)
    )
    return [Step(attributes, layout=_layout(layer))]


def _window(layer: Any) -> dict[str, Any]:
    return {
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation": layer.dilation_rate,
        "channels_last": _last(layer),
    }


@_handles("Dense")
def _dense(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    width, units = (int(size) for size in layer.kernel.shape)
    macs = math.prod(output[1:]) * width
    weighted = {"weight_shape": (units, width), "bias": layer.use_bias, "macs": macs}
    return [Step({"op": Operation.DENSE, **weighted})]


@_handles("EinsumDense")
def _einsum_dense(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    left, rest = layer.equation.replace("...", "").split(",")
    letters, result = rest.split("->")
    sizes = dict(zip(letters, (int(s) for s in layer.kernel.shape), strict=False))
    summed = math.prod(size for letter, size in sizes.items() if letter not in result)
    units = math.prod(size for letter, size in sizes.items() if letter in result and letter not in left)
    weighted = {"weight_shape": (units, summed), "bias": layer.bias is not None}
    return [Step({"op": Operation.DENSE, **weighted, "macs": math.prod(output[1:]) * summed})]


@_handles("BatchNormalization LayerNormalization GroupNormalization RMSNormalization")
def _normalisation(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    kind = type(layer).__name__
    ops = {"BatchNormalization": Operation.BATCH_NORM, "GroupNormalization": Operation.GROUP_NORM}
    op = next((o for k in type(layer).__mro__ if (o := ops.get(k.__name__))), Operation.LAYER_NORM)
    scale, shift = getattr(layer, "gamma", getattr(layer, "scale", None)), getattr(layer, "beta", None)
    weight = next((w for w in (scale, shift) if hasattr(w, "shape")), None)
    if weight is None:
        return [Step({"op": op, "detail": kind})]
    return [Step({"op": op, "weight_shape": tuple(weight.shape), "bias": hasattr(shift, "shape")})]


@_handles("MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D")
def _pool(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    op = Operation.MAX_POOL if layer.pool_mode == "max" else Operation.AVG_POOL
    attributes = pool(
        op,
        inputs[0],
        size=layer.pool_size,
        strides=layer.strides,
        padding=layer.padding,
        channels_last=_last(layer),
    )
    return [Step(attributes, layout=_layout(layer))]


@_handles("GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D")
@_handles("GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D")
def _global_pool(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    average = "Average" in type(layer).__name__
    # Tokens are averaged, not pixels, as `mean` in every framework.
    if average and len(inputs[0]) == 3:
        return [Step({"op": Operation.MEAN}, layout="plain")]
    op = Operation.GLOBAL_AVG_POOL if average else Operation.MAX_POOL
    return [Step(global_pool(op, inputs[0], channels_last=_last(layer)), layout=_layout(layer))]


@_handles("ZeroPadding1D ZeroPadding2D ZeroPadding3D")
def _zero_padding(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    amounts = layer.padding if isinstance(layer.padding[0], (tuple, list)) else (layer.padding,)
    return [Step(zero_padding(amounts), layout=_layout(layer))]


@_handles("UpSampling1D UpSampling2D UpSampling3D Resizing")
def _upsampling(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    return [Step({"op": Operation.UPSAMPLE}, layout=_layout(layer))]


@_handles("Reshape Flatten")
def _reshape(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    is_map = type(layer).__name__ == "Reshape" and len(output) == 4
    return [Step({"op": Operation.RESHAPE}, layout="last" if is_map else "plain")]


@_handles("Permute")
def _permute(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    return [Step({"op": Operation.TRANSPOSE}, layout="plain")]


@_handles("MultiHeadAttention")
def _multi_head_attention(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    query, keys = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    tokens, sources = math.prod(query[1:-1]), math.prod(keys[1:-1])
    inner, values = layer.num_heads * layer.key_dim, layer.num_heads * layer.value_dim
    projections = tokens * (query[-1] * inner + values * output[-1]) + sources * keys[-1] * (inner + values)
    return [
        Step(
            {
                "op": Operation.ATTENTION,
                "weight_shape": (2 * inner + values, query[-1]),
                "bias": layer.use_bias,
                "macs": projections + tokens * sources * (inner + values),
            },
            layout="plain",
        )
    ]


@_handles("GroupedQueryAttention")
def _grouped_attention(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    query, keys = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    tokens, sources = query[1], keys[1]
    inner, shared = layer.num_query_heads * layer.head_dim, layer.num_key_value_heads * layer.head_dim
    projections = tokens * inner * (query[-1] + output[-1]) + 2 * sources * keys[-1] * shared
    return [
        Step(
            {
                "op": Operation.ATTENTION,
                "weight_shape": (inner + 2 * shared, query[-1]),
                "bias": layer.use_bias,
                "macs": projections + 2 * tokens * sources * inner,
            },
            layout="plain",
        )
    ]


@_handles("Attention AdditiveAttention")
def _dot_attention(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    keys = inputs[1] if len(inputs) > 1 else inputs[0]
    return [Step({"op": Operation.ATTENTION, "macs": 2 * math.prod(inputs[0][1:]) * keys[1]}, layout="plain")]


@_handles("LSTM GRU SimpleRNN RNN Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D")
def _recurrent(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    weights = weights_of(layer)
    kernels = [v for v in weights if len(v.shape) >= 2]
    # Of the axes between time and channels, every position runs the same kernel.
    positions = math.prod(output[-len(inputs[0]) + 2 : -1]) if len(inputs[0]) > 3 else 1
    attributes: Description = {
        "op": Operation.RECURRENT,
        "bias": any(len(v.shape) == 1 or "bias" in v.name for v in weights),
        "macs": inputs[0][1] * positions * sum(math.prod(v.shape) for v in kernels),
    }
    if kernels:
        attributes["weight_shape"] = tuple(int(size) for size in reversed(kernels[0].shape))
    return [Step(attributes, layout="plain")]


@_handles("Embedding")
def _embedding(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    weight = (int(layer.input_dim), int(layer.output_dim))
    return [Step({"op": Operation.EMBEDDING, "weight_shape": weight}, layout="plain")]


@_handles("ReLU")
def _relu(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    return [Step(rectifier(layer.negative_slope, layer.max_value, layer.threshold))]


def rectifier(slope: Any, maximum: Any, threshold: Any) -> Description:
    """A rectified linear unit with Keras's options."""
    if slope:
        return {"op": Operation.LEAKY_RELU}
    if maximum is None:
        return {"op": Operation.RELU}
    return {"op": Operation.RELU6 if maximum == 6 and not threshold else Operation.OTHER}


@_handles("PReLU")
def _prelu(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    sizes = [int(size) for size in layer.alpha.shape]
    weight = tuple(size for size in (sizes[-1], *sizes[:-1]) if size != 1) or (1,)
    return [Step({"op": Operation.LEAKY_RELU, "weight_shape": weight})]


@_handles("Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout AlphaDropout")
def _dropout(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    return [Step({"op": Operation.DROPOUT if layer.rate else Operation.IDENTITY})]


_SIMPLE = {
    Operation.LEAKY_RELU: "LeakyReLU",
    Operation.ELU: "ELU",
    Operation.SOFTMAX: "Softmax",
    Operation.ADD: "Add Subtract Average",
    Operation.MUL: "Multiply",
    Operation.MATMUL: "Dot",
    Operation.CONCAT: "Concatenate",
    Operation.SPLIT: "Cropping1D Cropping2D Cropping3D CenterCrop RandomCrop",
    # `Activation` only applies its activation, which is a node of its own.
    Operation.IDENTITY: (
        "Activation Identity Masking ActivityRegularization GaussianNoise Rescaling Normalization"
    ),
}


def _simple(operation: Operation) -> Handler:
    return lambda layer, inputs, output: [Step({"op": operation})]


for _operation, _names in _SIMPLE.items():
    _handles(_names)(_simple(_operation))


@_handles("BaseImagePreprocessingLayer")
def _augmentation(layer: Any, inputs: Sequence[Shape], output: Shape) -> list[Step]:
    # At inference an augmentation returns its input.
    return [Step({"op": Operation.IDENTITY if inputs[0] == output else Operation.OTHER})]
