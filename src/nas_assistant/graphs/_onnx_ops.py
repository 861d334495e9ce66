"""What ONNX operators mean in the one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_assistant.graphs._node import is_per_channel
from nas_assistant.graphs._operations import Operation

Description = dict[str, Any]
"""Keyword arguments of :meth:`GraphBuilder.add`, ``op`` included."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class OnnxCall:
    """One node of an ONNX file.

    Attributes:
        name: Operator.
        attributes: Its attributes.
        shapes: Shape of each input, None where it is left out or unknown.
        output: Shape of the first output, None where unknown.
        weights: Shapes of the initialisers among its inputs, by input position.
        value: The number or list behind a constant input, by position; None where unknown.
    """

    name: str
    attributes: Mapping[str, Any]
    shapes: Sequence[Shape | None]
    output: Shape | None
    weights: Mapping[int, Shape]
    value: Callable[[int], Any]

    def shape(self, position: int) -> Shape:
        """Shape of an input; empty where unknown."""
        return (self.shapes[position] if position < len(self.shapes) else None) or ()

    @property
    def outputs_per_sample(self) -> int:
        """Numbers in the output for one sample."""
        return math.prod(self.output[1:]) if self.output else 0


Handler = Callable[[OnnxCall], Description]
_HANDLERS: dict[str, Handler] = {}


def _handles(names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names.split():
            _HANDLERS[name] = handler
        return handler

    return register


def describe_onnx(call: OnnxCall) -> Description:
    """What a node is in the vocabulary; ``other`` when the table does not know it."""
    handler = _HANDLERS.get(call.name)
    return handler(call) if handler else {"op": Operation.OTHER}


def _window(call: OnnxCall, sizes: Sequence[int]) -> Description:
    rank = len(sizes)
    steps = list(call.attributes.get("strides") or [1] * rank)
    gaps = list(call.attributes.get("dilations") or [1] * rank)
    return {
        "kernel": _two(sizes),
        "stride": _two(steps),
        "padding": _padding(call, sizes, steps, gaps),
    }


def _padding(
    call: OnnxCall, sizes: Sequence[int], steps: Sequence[int], gaps: Sequence[int]
) -> tuple[int, int, int, int]:
    rank = len(sizes)
    kind = call.attributes.get("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for length, size, step, gap in zip(call.shape(0)[2:], sizes, steps, gaps, strict=False):
            needed = max(0, (math.ceil(length / step) - 1) * step + gap * (size - 1) + 1 - length)
            small, large = needed // 2, needed - needed // 2
            pairs.append((small, large) if kind == "SAME_UPPER" else (large, small))
        return _sides(pairs or [(0, 0)] * rank)
    pads = list(call.attributes.get("pads") or [0] * (2 * rank))
    return _sides(list(zip(pads[:rank], pads[rank:], strict=False)))


def _sides(pairs: Sequence[tuple[int, int]]) -> tuple[int, int, int, int]:
    """``(top, left, bottom, right)``: one axis runs downwards, of three the last two are kept."""
    vertical, horizontal = (pairs[0], (0, 0)) if len(pairs) == 1 else pairs[-2:]
    return (vertical[0], horizontal[0], vertical[1], horizontal[1])


def _two(values: Sequence[int]) -> tuple[int, int]:
    return (int(values[0]), 1) if len(values) == 1 else (int(values[-2]), int(values[-1]))


@_handles("Conv ConvTranspose")
def _convolution(call: OnnxCall) -> Description:
    weight = call.weights.get(1, call.shape(1))
    if len(weight) < 3:
        return {"op": Operation.OTHER}
    groups = int(call.attributes.get("group", 1))
    rank = len(weight) - 2
    transposed = call.name == "ConvTranspose"
    depthwise = groups > 1 and weight[1] == 1
    op = Operation.DEPTHWISE_CONV if depthwise else Operation.CONV
    inputs_per_sample = math.prod(call.shape(0)[1:]) if call.shape(0) else 0
    return {
        "op": Operation.CONV_TRANSPOSE if transposed else op,
        "weight_shape": weight,
        "bias": 2 in call.weights,
        **_window(call, weight[2:]),
        "dilation": _two(list(call.attributes.get("dilations") or [1] * rank)),
        "groups": groups,
        "macs": (inputs_per_sample if transposed else call.outputs_per_sample) * math.prod(weight[1:]),
    }


@_handles("Gemm")
def _gemm(call: OnnxCall) -> Description:
    right = call.shape(1)
    if len(right) != 2:
        return {"op": Operation.MATMUL}
    weight = right if call.attributes.get("transB", 0) else right[::-1]
    result: Description = {"op": Operation.MATMUL, "macs": call.outputs_per_sample * weight[1]}
    if 1 in call.weights:
        result.update(op=Operation.DENSE, weight_shape=weight, bias=2 in call.weights)
    return result


@_handles("MatMul")
def _matmul(call: OnnxCall) -> Description:
    left, right = call.shape(0), call.shape(1)
    result: Description = {
        "op": Operation.MATMUL,
        "macs": call.outputs_per_sample * (left[-1] if left else 0),
    }
    if 1 in call.weights and len(right) == 2:
        result.update(op=Operation.DENSE, weight_shape=right[::-1])
    return result


@_handles("Einsum")
def _einsum(call: OnnxCall) -> Description:
    terms = str(call.attributes.get("equation", "")).replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for position, term in enumerate(terms):
        sizes.update(zip(term, call.shape(position), strict=False))
    batch = call.output[0] if call.output else 1
    return {"op": Operation.MATMUL, "macs": math.prod(sizes.values()) // max(1, batch)}


@_handles("BatchNormalization")
@_handles("LayerNormalization SimplifiedLayerNormalization RMSNormalization")
@_handles("GroupNormalization InstanceNormalization")
def _normalisation(call: OnnxCall) -> Description:
    named = {"BatchNormalization": Operation.BATCH_NORM}
    grouped = call.name.startswith(("Group", "Instance"))
    op = named.get(call.name, Operation.GROUP_NORM if grouped else Operation.LAYER_NORM)
    if 1 not in call.weights:
        return {"op": op}
    return {"op": op, "weight_shape": call.weights[1], "bias": 2 in call.weights}


@_handles("MaxPool AveragePool LpPool")
def _pool(call: OnnxCall) -> Description:
    op = Operation.MAX_POOL if call.name == "MaxPool" else Operation.AVG_POOL
    return {"op": op, **_window(call, call.attributes.get("kernel_shape") or [1, 1])}


@_handles("GlobalMaxPool ReduceMax")
def _global_max(call: OnnxCall) -> Description:
    before = call.shape(0)
    if len(before) != 4 or not call.output or not is_per_channel(call.output[1:], before[1]):
        return {"op": Operation.OTHER}
    size = (before[2], before[3])
    return {"op": Operation.MAX_POOL, "kernel": size, "stride": size, "padding": (0, 0, 0, 0)}


@_handles("Clip")
def _clip(call: OnnxCall) -> Description:
    low = call.attributes.get("min", call.value(1))
    high = call.attributes.get("max", call.value(2))
    known: dict[tuple[float | None, float | None], Operation] = {
        (0, 6): Operation.RELU6,
        (0, None): Operation.RELU,
        (-1, 1): Operation.TANH,
    }
    return {"op": known.get((_bound(low), _bound(high)), Operation.OTHER)}


def _bound(value: Any) -> float | None:
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    # Exporters write an open end as the largest number.
    return None if value is None or abs(value) > 1e30 else round(float(value), 6)


@_handles("Pad")
def _pad(call: OnnxCall) -> Description:
    pads = call.attributes.get("pads") or call.value(1)
    rank = len(call.shape(0))
    mode = call.attributes.get("mode", "constant")
    value = call.attributes.get("value", call.value(2)) or 0
    if pads is None or mode != "constant" or value or rank < 3 or len(pads) != 2 * rank:
        return {"op": Operation.PAD}
    pairs = [(int(a), int(b)) for a, b in zip(pads[:rank], pads[rank:], strict=True)]
    outside = any(pair != (0, 0) for pair in pairs[:2])
    return {"op": Operation.PAD} if outside else {"op": Operation.PAD, "padding": _sides(pairs[2:])}


@_handles("LSTM GRU RNN")
def _recurrent(call: OnnxCall) -> Description:
    if 1 not in call.weights or 2 not in call.weights:
        return {"op": Operation.RECURRENT}
    # The weights of an export are put together in the file, where shape inference may give up; their parts
    # have the input's width last.
    width, hidden = call.weights[1][-1], call.weights[2][-1]
    rows = {"LSTM": 4, "GRU": 3}.get(call.name, 1) * hidden
    directions = 2 if call.attributes.get("direction") in ("bidirectional", b"bidirectional") else 1
    steps = (call.output or call.shape(0) or (0, 0))[1 if call.attributes.get("layout") else 0]
    return {
        "op": Operation.RECURRENT,
        "macs": steps * directions * rows * (width + hidden),
        "weight_shape": (rows, width),
        "bias": 3 in call.weights,
    }


@_handles("Gather Slice GatherND GatherElements")
def _slice(call: OnnxCall) -> Description:
    if 0 in call.weights:
        return {"op": Operation.EMBEDDING, "weight_shape": call.weights[0]}
    return {"op": Operation.IDENTITY if call.shape(0) == call.output else Operation.SPLIT}


@_handles("Attention MultiHeadAttention")
def _attention(call: OnnxCall) -> Description:
    query, keys = call.shape(0), call.shape(1)
    macs = 2 * math.prod(query[1:]) * keys[-2] if len(keys) > 2 else 0
    return {"op": Operation.ATTENTION, "macs": macs}


@_handles("PRelu")
def _prelu(call: OnnxCall) -> Description:
    slope = tuple(size for size in call.weights.get(1, ()) if size != 1) or (1,)
    return {"op": Operation.LEAKY_RELU, "weight_shape": slope}


@_handles("Dropout")
def _dropout(call: OnnxCall) -> Description:
    rate = call.attributes.get("ratio", call.value(1))
    return {"op": Operation.IDENTITY if rate == 0 else Operation.DROPOUT}


_SIMPLE = {
    Operation.RELU: "Relu ThresholdedRelu",
    Operation.LEAKY_RELU: "LeakyRelu",
    Operation.ELU: "Elu Selu Celu",
    Operation.HARD_SWISH: "HardSwish",
    Operation.HARD_SIGMOID: "HardSigmoid",
    Operation.SWISH: "Swish Mish",
    Operation.GELU: "Gelu FastGelu BiasGelu QuickGelu",
    Operation.SIGMOID: "Sigmoid",
    Operation.TANH: "Tanh",
    Operation.SOFTMAX: "Softmax LogSoftmax",
    Operation.ADD: "Add Sub Sum",
    Operation.MUL: "Mul Div Neg",
    Operation.CONCAT: "Concat",
    Operation.GLOBAL_AVG_POOL: "GlobalAveragePool",
    Operation.MEAN: "ReduceMean ReduceSum Mean",
    Operation.RESHAPE: "Reshape Flatten Squeeze Unsqueeze",
    Operation.TRANSPOSE: "Transpose",
    Operation.SPLIT: "Split SplitToSequence",
    Operation.UPSAMPLE: "Resize Upsample DepthToSpace",
    Operation.IDENTITY: "SequenceAt Identity Cast CastLike Expand QuantizeLinear DequantizeLinear",
}


def _simple(operation: Operation) -> Handler:
    return lambda call: {"op": operation}


for _operation, _names in _SIMPLE.items():
    _handles(_names)(_simple(_operation))
