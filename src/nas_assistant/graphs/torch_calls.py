"""What PyTorch's operations mean in the one vocabulary: a table from name to description.

Serves both front ends: a name is that of ``torch.nn.functional``, of a tensor method or of an ATen operator,
without leading or trailing underscores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from nas_assistant.graphs._node import is_per_channel
from nas_assistant.graphs._operations import Operation

Description = dict[str, Any]
"""Keyword arguments of :meth:`GraphBuilder.add`, ``op`` included."""

CONSTANTS = frozenset(
    {"empty", "empty_like", "new_empty", "zeros", "new_zeros", "ones", "ones_like", "new_ones"}
)
"""What takes no more than sizes or a type from its arguments."""


@dataclass(frozen=True)
class Call:
    """One call of an operation.

    Attributes:
        name: Without underscores around it.
        arguments: By name as far as known, further positional ones under their position.
        output: First tensor that it returned.
        batch: Samples in the batch, to count per sample.
    """

    name: str
    arguments: Mapping[str | int, Any]
    output: torch.Tensor
    batch: int
    tensors: Sequence[torch.Tensor] = field(default=())

    def get(self, name: str, default: Any = None) -> Any:
        """An argument by its name, or the default where it is absent or None."""
        value = self.arguments.get(name)
        return default if value is None else value

    @property
    def input(self) -> torch.Tensor:
        """The first tensor argument."""
        value = self.get("input")
        return value if isinstance(value, torch.Tensor) else self.tensors[0]

    @property
    def outputs_per_sample(self) -> int:
        """Numbers in the output for one sample."""
        return self.output.numel() // self.batch


Handler = Callable[[Call], Description]
_HANDLERS: dict[str, tuple[Handler, tuple[str, ...]]] = {}


def _handles(names: str, arguments: str = "input") -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            _HANDLERS[name] = (handler, tuple(arguments.split()))
        return handler

    return register


def plain_name(qualified: str) -> str:
    """The bare name of an operation: ``torch.Tensor.add_`` and ``aten::add.Tensor`` are ``add``."""
    parts = qualified.split("::")[-1].split(".")
    if parts[-1] == "__get__":
        parts.pop()
    if "::" in qualified:
        return parts[0].strip("_")
    return parts[-1].strip("_")


def bind(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str | int, Any]:
    """Arguments by name, from the positions that ``torch.nn.functional`` gives them."""
    names = _HANDLERS[name][1] if name in _HANDLERS else ("input",)
    bound: dict[str | int, Any] = {
        (names[position] if position < len(names) else position): value for position, value in enumerate(args)
    }
    bound.update(kwargs)
    return bound


def describe(call: Call) -> Description:
    """What a call is in the vocabulary; ``other`` when the table does not know it."""
    handler = _HANDLERS.get(call.name)
    return handler[0](call) if handler else {"op": Operation.OTHER}


def _pair(value: Any, default: int = 1) -> tuple[int, int]:
    if value is None or value == ():
        return (default, default)
    if isinstance(value, int):
        return (value, value)
    values = [int(v) for v in value]
    if not values:
        return (default, default)
    # One-dimensional kernels run down the first spatial axis; of three dimensions the last two are kept.
    return (values[0], default) if len(values) == 1 else (values[-2], values[-1])


def _one_dimensional(value: Any, rank: int, default: int) -> tuple[int, int]:
    if rank != 1:
        return _pair(value, default)
    first = value if isinstance(value, int) else next(iter(value), default)
    return (int(first), default)


@_handles("conv1d conv2d conv3d convolution", "input weight bias stride padding dilation groups")
def _convolution(call: Call) -> Description:
    weight = call.get("weight")
    rank = weight.dim() - 2
    kernel = _one_dimensional(tuple(weight.shape[2:]), rank, 1)
    stride = _one_dimensional(call.get("stride", 1), rank, 1)
    dilation = _one_dimensional(call.get("dilation", 1), rank, 1)
    groups = int(call.get("groups", 1))
    depthwise = groups > 1 and weight.shape[1] == 1
    return {
        "op": Operation.DEPTHWISE_CONV if depthwise else Operation.CONV,
        "weight_shape": tuple(weight.shape),
        "bias": call.get("bias") is not None,
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "groups": groups,
        "padding": _padding(call.get("padding", 0), kernel, dilation, rank),
        "macs": call.outputs_per_sample * math.prod(weight.shape[1:]),
    }


def _padding(
    value: Any, kernel: tuple[int, int], dilation: tuple[int, int], rank: int = 2
) -> tuple[int, int, int, int]:
    if value == "valid":
        return (0, 0, 0, 0)
    if value == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return (totals[0] // 2, totals[1] // 2, totals[0] - totals[0] // 2, totals[1] - totals[1] // 2)
    vertical, horizontal = _one_dimensional(value, rank, 0)
    return (vertical, horizontal, vertical, horizontal)


@_handles(
    "conv_transpose1d conv_transpose2d conv_transpose3d",
    "input weight bias stride padding output_padding groups dilation",
)
def _transposed(call: Call) -> Description:
    result = _convolution(call)
    inputs_per_sample = call.input.numel() // call.batch
    macs = inputs_per_sample * math.prod(call.get("weight").shape[1:])
    return {**result, "op": Operation.CONV_TRANSPOSE, "macs": macs}


@_handles("linear", "input weight bias")
def _dense(call: Call) -> Description:
    weight = call.get("weight")
    return {
        "op": Operation.DENSE,
        "weight_shape": tuple(weight.shape),
        "bias": call.get("bias") is not None,
        "macs": call.outputs_per_sample * weight.shape[-1],
    }


@_handles("bilinear", "input1 input2 weight bias")
def _bilinear(call: Call) -> Description:
    return {**_dense(call), "macs": call.outputs_per_sample * math.prod(call.get("weight").shape[1:])}


def _is_weight(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a parameter, or a matrix that is a view of one, such as its transpose."""
    viewed = tensor._base if tensor.dim() == 2 else None
    return isinstance(tensor if viewed is None else viewed, torch.nn.Parameter)


@_handles("addmm baddbmm", "bias input weight")
def _biased_product(call: Call) -> Description:
    weight = call.get("weight", call.get("mat2", call.get("batch2")))
    result: Description = {"op": Operation.MATMUL, "macs": call.outputs_per_sample * weight.shape[-2]}
    if _is_weight(weight):
        result.update(op=Operation.DENSE, weight_shape=tuple(weight.shape[::-1]), bias=True)
    return result


@_handles("matmul bmm mm spmm rmatmul mv", "input other")  # `torch.mm` is `spmm` by its full name
def _product(call: Call) -> Description:
    left, right = call.tensors[0], call.tensors[1]
    result: Description = {"op": Operation.MATMUL, "macs": call.outputs_per_sample * left.shape[-1]}
    if right.dim() == 2 and _is_weight(right):
        result.update(op=Operation.DENSE, weight_shape=tuple(right.shape[::-1]))
    return result


@_handles("einsum", "equation operands")
def _einsum(call: Call) -> Description:
    equation = call.get("equation")
    terms = str(equation).replace(" ", "").split("->")[0].split(",") if isinstance(equation, str) else []
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, call.tensors, strict=False):
        sizes.update(zip(term, tensor.shape, strict=False))
    return {"op": Operation.MATMUL, "macs": math.prod(sizes.values()) // call.batch if len(terms) > 1 else 0}


@_handles("batch_norm", "input running_mean running_var weight bias")
@_handles("instance_norm", "input running_mean running_var weight bias")
@_handles("layer_norm rms_norm", "input normalized_shape weight bias")
@_handles("group_norm", "input num_groups weight bias")
def _normalisation(call: Call) -> Description:
    op = {
        "batch_norm": Operation.BATCH_NORM,
        "layer_norm": Operation.LAYER_NORM,
        "rms_norm": Operation.LAYER_NORM,
    }
    result: Description = {"op": op.get(call.name, Operation.GROUP_NORM)}
    weight = call.get("weight")
    if weight is not None:
        result.update(weight_shape=tuple(weight.shape), bias=call.get("bias") is not None)
    return result


@_handles(
    "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices", "input kernel_size stride padding dilation"
)
@_handles("avg_pool1d avg_pool2d avg_pool3d", "input kernel_size stride padding")
def _pool(call: Call) -> Description:
    rank = call.input.dim() - 2
    size = call.get("kernel_size")
    kernel = _one_dimensional(size, rank, 1)
    stride = call.get("stride", ())
    dilation = _one_dimensional(call.get("dilation", 1), rank, 1)
    return {
        "op": Operation.MAX_POOL if call.name.startswith("max") else Operation.AVG_POOL,
        "kernel": kernel,
        "stride": _one_dimensional(stride, rank, 1) if stride not in ((), []) else kernel,
        "padding": _padding(call.get("padding", 0), kernel, dilation, rank),
    }


@_handles("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d", "input output_size")
@_handles("adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool2d_with_indices", "input output_size")
def _adaptive_pool(call: Call) -> Description:
    before, after = call.input.shape[2:], call.output.shape[2:]
    average = "avg" in call.name
    if tuple(before) == tuple(after) and math.prod(after) > 1:
        return {"op": Operation.IDENTITY}
    if average and math.prod(after) == 1:
        return {"op": Operation.GLOBAL_AVG_POOL}
    stride = [b // a for b, a in zip(before, after, strict=True)]
    kernel = [b - (a - 1) * s for b, a, s in zip(before, after, stride, strict=True)]
    return {
        "op": Operation.AVG_POOL if average else Operation.MAX_POOL,
        "kernel": _pair(tuple(kernel)),
        "stride": _pair(tuple(stride)),
        "padding": (0, 0, 0, 0),
    }


@_handles("amax max", "input dim")
def _maximum(call: Call) -> Description:
    if call.input.dim() == 4 and is_per_channel(call.output.shape[1:], call.input.shape[1]):
        size = _pair(tuple(call.input.shape[2:]))
        return {"op": Operation.MAX_POOL, "kernel": size, "stride": size, "padding": (0, 0, 0, 0)}
    return {"op": Operation.OTHER}


@_handles("pad constant_pad_nd", "input pad mode value")
def _pad(call: Call) -> Description:
    amounts = [int(v) for v in call.get("pad", ())]
    if not any(amounts):
        return {"op": Operation.IDENTITY}
    left, right, top, bottom = [*amounts, 0, 0, 0, 0][:4]
    if call.input.dim() == 3:
        left, right, top, bottom = 0, 0, left, right
    zero = call.get("mode", "constant") == "constant" and not call.get("value", 0) and len(amounts) <= 4
    return {"op": Operation.PAD, "padding": (top, left, bottom, right)} if zero else {"op": Operation.PAD}


@_handles("clamp clip hardtanh", "input min max")
def _clamp(call: Call) -> Description:
    low = call.get("min", call.get("min_val", -1.0 if call.name == "hardtanh" else None))
    high = call.get("max", call.get("max_val", 1.0 if call.name == "hardtanh" else None))
    known = {(0, 6): Operation.RELU6, (0, None): Operation.RELU, (-1, 1): Operation.TANH}
    bounds = (low, high)
    return {
        "op": known.get(bounds, Operation.OTHER) if not any(map(torch.is_tensor, bounds)) else Operation.OTHER
    }


@_handles("scaled_dot_product_attention", "input key value")
def _attention(call: Call) -> Description:
    query, key = call.input, call.get("key")
    macs = 2 * query.numel() * key.shape[-2] // call.batch
    return {"op": Operation.ATTENTION, "macs": macs}


@_handles("multi_head_attention_forward", "input key value")
def _multi_head_attention(call: Call) -> Description:
    query, key = call.input, call.get("key")
    width = query.shape[-1]
    tokens, keys = query.numel() // width // call.batch, key.numel() // key.shape[-1] // call.batch
    # Queries and the output are projected once a token, keys and values once a key.
    projections = 2 * tokens * width * width + 2 * keys * key.shape[-1] * width
    return {"op": Operation.ATTENTION, "macs": projections + 2 * tokens * keys * width}


@_handles("lstm gru rnn_tanh rnn_relu", "input hx params")
@_handles("lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell", "input hx params")
def _recurrent(call: Call) -> Description:
    weights = [w for w in call.tensors if isinstance(w, torch.nn.Parameter) and w.dim() == 2]
    steps = call.outputs_per_sample // call.output.shape[-1]
    return {
        "op": Operation.RECURRENT,
        "weight_shape": tuple(weights[0].shape) if weights else (),
        "bias": any(w.dim() == 1 for w in call.tensors if isinstance(w, torch.nn.Parameter)),
        "macs": steps * sum(w.numel() for w in weights),
    }


@_handles("embedding", "input weight")
def _embedding(call: Call) -> Description:
    return {"op": Operation.EMBEDDING, "weight_shape": tuple(call.get("weight").shape)}


@_handles("prelu", "input weight")
def _prelu(call: Call) -> Description:
    return {"op": Operation.LEAKY_RELU, "weight_shape": tuple(call.get("weight").shape)}


@_handles("getitem select slice narrow index_select", "input")
def _slice(call: Call) -> Description:
    same = call.output.shape == call.input.shape
    return {"op": Operation.IDENTITY if same else Operation.SPLIT}


@_handles("dropout dropout1d dropout2d dropout3d feature_dropout", "input p")
@_handles("alpha_dropout feature_alpha_dropout", "input p")
def _dropout(call: Call) -> Description:
    return {"op": Operation.IDENTITY if call.get("p") == 0 else Operation.DROPOUT}


_SIMPLE = {
    Operation.RELU: "relu threshold",
    Operation.RELU6: "relu6",
    Operation.LEAKY_RELU: "leaky_relu rrelu rrelu_with_noise",
    Operation.ELU: "elu selu celu",
    Operation.HARD_SWISH: "hardswish",
    Operation.HARD_SIGMOID: "hardsigmoid",
    Operation.SWISH: "silu mish",
    Operation.GELU: "gelu",
    Operation.SIGMOID: "sigmoid logsigmoid",
    Operation.TANH: "tanh",
    Operation.SOFTMAX: "softmax log_softmax softmin",
    Operation.ADD: "add sub radd rsub iadd isub subtract",
    Operation.MUL: (
        "mul multiply rmul imul div true_divide truediv rtruediv itruediv rdiv idiv divide neg negative"
    ),
    Operation.CONCAT: "cat concat concatenate stack hstack vstack column_stack",
    Operation.RESHAPE: (
        "reshape view flatten unflatten squeeze unsqueeze ravel view_as reshape_as unsafe_view"
    ),
    Operation.TRANSPOSE: (
        "permute transpose t T mT H numpy_T swapaxes swapdims movedim moveaxis channel_shuffle"
    ),
    Operation.MEAN: "mean sum",
    Operation.UPSAMPLE: "interpolate upsample pixel_shuffle upsample_nearest2d upsample_bilinear2d",
    Operation.SPLIT: "split chunk unbind tensor_split split_with_sizes unsafe_chunk unsafe_split",
    Operation.ZERO: "zeros_like",
    Operation.IDENTITY: (
        "as_tensor asarray contiguous clone to float half bfloat16 double type type_as detach requires_grad "
        "data cpu cuda alias lift_fresh lift_fresh_copy expand expand_as positive native_dropout dequantize"
    ),
}


def _simple(operation: Operation) -> Handler:
    return lambda call: {"op": operation}


for _operation, _names in _SIMPLE.items():
    _handles(_names)(_simple(_operation))
