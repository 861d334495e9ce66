"""The layer classes of PyTorch and Keras that edits know, with the order of their arguments."""

from __future__ import annotations

from dataclasses import dataclass

_TORCH_CONV = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding",
    "dilation", "groups", "bias", "padding_mode",
)  # fmt: skip
_TORCH_TRANSPOSE = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding",
    "output_padding", "groups", "bias", "dilation",
)  # fmt: skip
_KERAS_CONV = (
    "filters", "kernel_size", "strides", "padding", "data_format",
    "dilation_rate", "groups", "activation", "use_bias",
)  # fmt: skip
_KERAS_DEPTHWISE = (
    "kernel_size", "strides", "padding", "depth_multiplier",
    "data_format", "dilation_rate", "activation", "use_bias",
)  # fmt: skip
_KERAS_SEPARABLE = (
    "filters", "kernel_size", "strides", "padding", "data_format",
    "dilation_rate", "depth_multiplier", "activation", "use_bias",
)  # fmt: skip
_TORCH_MAX = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")
_TORCH_AVG = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_KERAS_POOL = ("pool_size", "strides", "padding", "data_format", "name")


@dataclass(frozen=True, slots=True)
class Kind:
    """A layer class.

    Attributes:
        name: Its name.
        role: ``conv``, ``depthwise``, ``dense``, ``norm``, ``activation``, ``dropout`` or ``pool``.
        parameters: Its arguments in order.
        produces: The argument that sets the channels of its output, or an empty string.
        follows: Arguments that must equal the channels of its input.
    """

    name: str
    role: str
    parameters: tuple[str, ...] = ()
    produces: str = ""
    follows: tuple[str, ...] = ()


def _torch() -> list[Kind]:
    kinds = [Kind(f"Conv{n}d", "conv", _TORCH_CONV, "out_channels", ("in_channels",)) for n in (1, 2, 3)]
    kinds += [
        Kind(f"ConvTranspose{n}d", "transpose", _TORCH_TRANSPOSE, "out_channels", ("in_channels",))
        for n in (1, 2, 3)
    ]
    kinds.append(
        Kind("Linear", "dense", ("in_features", "out_features", "bias"), "out_features", ("in_features",))
    )
    for n in (1, 2, 3):
        norm = ("num_features", "eps", "momentum", "affine", "track_running_stats")
        kinds.append(Kind(f"BatchNorm{n}d", "norm", norm, "", ("num_features",)))
        kinds.append(Kind(f"InstanceNorm{n}d", "norm", norm, "", ("num_features",)))
        kinds.append(Kind(f"MaxPool{n}d", "pool", _TORCH_MAX))
        kinds.append(Kind(f"AvgPool{n}d", "pool", _TORCH_AVG))
        kinds.append(Kind(f"Dropout{n}d", "dropout", ("p", "inplace")))
    kinds.append(Kind("SyncBatchNorm", "norm", ("num_features",), "", ("num_features",)))
    kinds.append(Kind("GroupNorm", "norm", ("num_groups", "num_channels"), "", ("num_channels",)))
    kinds.append(Kind("LayerNorm", "norm", ("normalized_shape",), "", ("normalized_shape",)))
    kinds.append(Kind("Dropout", "dropout", ("p", "inplace")))
    kinds.append(Kind("AlphaDropout", "dropout", ("p", "inplace")))
    for name in ("ReLU", "ReLU6", "SiLU", "Hardswish", "Mish", "SELU"):
        kinds.append(Kind(name, "activation", ("inplace",)))
    kinds.append(Kind("GELU", "activation", ("approximate",)))
    kinds.append(Kind("ELU", "activation", ("alpha", "inplace")))
    kinds.append(Kind("LeakyReLU", "activation", ("negative_slope", "inplace")))
    kinds.append(Kind("PReLU", "activation", ("num_parameters", "init"), "", ("num_parameters",)))
    kinds += [Kind(name, "activation") for name in ("Tanh", "Sigmoid", "Hardsigmoid", "Softplus", "Identity")]
    return kinds


def _keras() -> list[Kind]:
    kinds = [Kind(f"Conv{n}D", "conv", _KERAS_CONV, "filters") for n in (1, 2, 3)]
    kinds += [Kind(f"Convolution{n}D", "conv", _KERAS_CONV, "filters") for n in (1, 2)]
    kinds += [Kind(f"SeparableConv{n}D", "separable", _KERAS_SEPARABLE, "filters") for n in (1, 2)]
    kinds += [Kind(f"DepthwiseConv{n}D", "depthwise", _KERAS_DEPTHWISE) for n in (1, 2)]
    kinds.append(
        Kind("Conv2DTranspose", "transpose", ("filters", "kernel_size", "strides", "padding"), "filters")
    )
    kinds.append(Kind("Dense", "dense", ("units", "activation", "use_bias"), "units"))
    kinds += [
        Kind(name, "norm") for name in ("BatchNormalization", "LayerNormalization", "GroupNormalization")
    ]
    for n in (1, 2, 3):
        kinds += [
            Kind(name, "pool", _KERAS_POOL)
            for name in (f"MaxPooling{n}D", f"MaxPool{n}D", f"AveragePooling{n}D", f"AvgPool{n}D")
        ]
        kinds.append(Kind(f"SpatialDropout{n}D", "dropout", ("rate",)))
    kinds.append(Kind("Dropout", "dropout", ("rate", "noise_shape", "seed")))
    kinds.append(Kind("Activation", "activation", ("activation",)))
    kinds.append(Kind("ReLU", "activation", ("max_value", "negative_slope", "threshold")))
    kinds += [Kind(name, "activation", ("alpha",)) for name in ("LeakyReLU", "ELU")]
    kinds += [Kind(name, "activation") for name in ("PReLU", "Softmax")]
    return kinds


KINDS: dict[str, dict[str, Kind]] = {
    "torch": {kind.name: kind for kind in _torch()},
    "keras": {kind.name: kind for kind in _keras()},
}
