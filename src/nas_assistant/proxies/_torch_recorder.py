"""Watches the operations of one PyTorch forward pass, whatever modules or functions call them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from nas_assistant.graphs import ACTIVATIONS, NORMALISATIONS, Operation
from nas_assistant.graphs.torch_calls import Call, bind, describe, plain_name

LAYERS = frozenset({Operation.CONV, Operation.DEPTHWISE_CONV, Operation.CONV_TRANSPOSE, Operation.DENSE})
_GATES = ACTIVATIONS - {Operation.SOFTMAX}


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """The output of a convolution or dense layer.

    Attributes:
        tensor: As the layer made it; what comes after works on a copy.
        channels: Axis of its channels.
        weights: Weights that a channel has.
    """

    tensor: torch.Tensor
    channels: int
    weights: int


@dataclass
class Recording:
    """What one forward pass left.

    Attributes:
        logits: Output of the network without a softmax at its end.
        patterns: Where the inputs of each activation function are above 0, ``(batch, units)``.
        outputs: Those of the layers, where they were asked for.
        variances: Of the input of each normalisation, mean over the channels.
        last_map: The last tensor with more than one place a channel.
    """

    logits: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    patterns: list[torch.Tensor] = field(default_factory=list)
    outputs: list[LayerOutput] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    last_map: torch.Tensor | None = None


class Recorder(TorchFunctionMode):
    """Fills a :class:`Recording`; leaves out dropout, and normalisations where that is asked for.

    Args:
        patterns: Whether to note the signs at the activation functions.
        outputs: Whether to note the outputs of the layers.
        normalise: Whether normalisations run.
        variances: Whether to note the variances of the normalisations.
    """

    def __init__(
        self,
        *,
        patterns: bool = False,
        outputs: bool = False,
        normalise: bool = True,
        variances: bool = False,
    ) -> None:
        super().__init__()
        self.recording = Recording()
        self._patterns, self._outputs = patterns, outputs
        self._normalise, self._variances = normalise, variances
        self._before_softmax: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def run(self, module: torch.nn.Module, inputs: torch.Tensor) -> Recording:
        """One forward pass."""
        with self:
            output = first_tensor(module(inputs))
        # The softmax's output is kept alive, so that its id stays its own.
        self.recording.logits = self._before_softmax.get(id(output), (output, output))[0]
        return self.recording

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        if not tensors:
            return function(*args, **kwargs)
        call, operation = describe_call(function, args, kwargs, tensors)
        source = call.input
        if operation is Operation.DROPOUT or (operation in NORMALISATIONS and not self._normalise):
            return source.clone()  # what follows may write into it
        if self._patterns and operation in _GATES:
            # Before the call, which may overwrite its input.
            self.recording.patterns.append((source.detach() > 0).reshape(len(source), -1))
        if self._variances and operation in NORMALISATIONS:
            self._note_variance(source, operation)
        result = function(*args, **kwargs)
        if not isinstance(result, torch.Tensor):
            return result
        if operation is Operation.SOFTMAX:
            self._before_softmax[id(result)] = (source, result)
        if result.dim() >= 3 and result[0, 0].numel() > 1:
            self.recording.last_map = result
        if self._outputs and operation in LAYERS and result.requires_grad:
            channels = result.dim() - 1 if operation is Operation.DENSE else 1
            weight = call.get("weight", tensors[-1])
            count = weight.numel() // result.shape[channels]
            self.recording.outputs.append(LayerOutput(result, channels, count))
            return result.clone()
        return result

    def _note_variance(self, source: torch.Tensor, operation: Operation) -> None:
        channels = source.dim() - 1 if operation is Operation.LAYER_NORM else 1
        places = [axis for axis in range(source.dim()) if axis != channels]
        self.recording.variances.append(float(source.var(dim=places).mean()))


def describe_call(
    function: Callable[..., Any], args: Any, kwargs: Any, tensors: list[torch.Tensor]
) -> tuple[Call, Operation]:
    name = plain_name(resolve_name(function) or getattr(function, "__name__", "other"))
    call = Call(name, bind(name, args, kwargs), tensors[0], max(len(tensors[0].shape[:1]), 1), tensors)
    # What it will return is not known yet, so some operations that none of this is about cannot be described.
    with contextlib.suppress(Exception):
        return call, describe(call)["op"]
    return call, Operation.OTHER


def first_tensor(value: Any) -> torch.Tensor:
    """The logits among what a network returns: the first tensor, or the one under that name.

    Raises:
        TypeError: There is none.
    """
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        value = [value["logits"]] if "logits" in value else list(value.values())
    if isinstance(value, (tuple, list)):
        for part in value:
            with contextlib.suppress(TypeError):
                return first_tensor(part)
    raise TypeError(f"the network returns {type(value).__name__}, not a tensor")
