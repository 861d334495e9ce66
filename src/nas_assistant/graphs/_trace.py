"""The eager tracer: records every operation of one real forward pass."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, resolve_name

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._locations import caller_location
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs._torch_nodes import add_call, sample_shape
from nas_assistant.graphs.torch_calls import CONSTANTS, Call, bind, plain_name


def trace_graph(module: torch.nn.Module, inputs: tuple[Any, ...]) -> ComputationalGraph:
    """Trace one forward pass of a module that is in evaluation mode.

    Args:
        module: The module.
        inputs: Arguments of its forward pass, each tensor with the batch first.
    """
    recorder = _Recorder(module, inputs)
    with recorder, recorder.follow_layers():
        output = module(*inputs)
    total = sum(p.numel() for p in module.parameters())
    outputs = recorder.outputs(output)
    if not outputs:
        recorder.builder.warn("no operations on tensors were seen that compute the output from the input")
    return recorder.builder.build(outputs, total_parameters=total)


class _Recorder(TorchFunctionMode):
    """Notes each operation between tensors, and in which layer it ran."""

    def __init__(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        super().__init__()
        self.builder = GraphBuilder("torch", type(module).__name__)
        self._names = {id(part): name for name, part in module.named_modules()}
        self._stack: list[tuple[torch.nn.Module, str]] = []
        self._visits = itertools.count()
        self._node_of: dict[int, int] = {}
        self._constants: dict[int, list[torch.Tensor]] = {}
        self._counted: set[int] = set()
        self._alive: list[torch.Tensor] = []  # an id is only a tensor's own while the tensor lives
        tensors = _tensors(inputs)
        self._batch = int(tensors[0].shape[0]) if tensors and tensors[0].dim() else 1
        for tensor in tensors:
            self._track(tensor, self.builder.add(Operation.INPUT, output_shape=self._shape(tensor)))

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = _shape_only(function, args, kwargs)
        if result is None:
            result = function(*args, **kwargs)
        # What is written into a tensor is from then on that tensor's.
        returned = _tensors(args[0] if function is torch.Tensor.__setitem__ else result)
        if returned:
            self._record(function, args, kwargs, returned)
        return result

    def outputs(self, output: Any) -> list[int]:
        """Ids of the nodes behind what the module returned."""
        if isinstance(output, dict):
            output = list(output.values())
        return [self._node_of[id(t)] for t in _tensors(output) if id(t) in self._node_of]

    @contextlib.contextmanager
    def follow_layers(self) -> Iterator[None]:
        """Keep the stack of the layers that are running."""

        def enter(part: torch.nn.Module, _: Any) -> None:
            self._stack.append((part, str(next(self._visits))))

        def leave(part: torch.nn.Module, _: Any, __: Any) -> None:
            self._stack.pop()

        before = register_module_forward_pre_hook(enter)
        after = register_module_forward_hook(leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _record(self, function: Any, args: Any, kwargs: Any, returned: list[torch.Tensor]) -> None:
        tensors = _tensors((args, kwargs))
        weights = [w for t in tensors for w in self._weights_of(t)]
        sources = [self._node_of[id(t)] for t in tensors if id(t) in self._node_of]
        if not sources:
            for tensor in returned if weights else ():
                self._constants[id(tensor)] = weights
                self._alive.append(tensor)
            return
        name = plain_name(resolve_name(function) or getattr(function, "__name__", "other"))
        if name in CONSTANTS:
            return
        call = Call(name, bind(name, args, kwargs), returned[0], self._batch, tensors)
        index = self._add(call, sources, weights)
        for tensor in returned:
            self._track(tensor, index)

    def _add(self, call: Call, sources: list[int], weights: list[torch.Tensor]) -> int:
        fresh = {id(w): w for w in weights if id(w) not in self._counted}
        self._counted.update(fresh)
        return add_call(
            self.builder,
            call,
            sources,
            weights,
            parameters=sum(w.numel() for w in fresh.values()),
            layers=[(self._names.get(id(layer), ""), layer, visit) for layer, visit in self._stack],
            place=caller_location(),
        )

    def _weights_of(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        if isinstance(tensor, torch.nn.Parameter):
            return [tensor]
        return self._constants.get(id(tensor), [])

    def _track(self, tensor: torch.Tensor, index: int) -> None:
        self._node_of[id(tensor)] = index
        self._alive.append(tensor)

    def _shape(self, tensor: torch.Tensor) -> tuple[int, ...]:
        return sample_shape(tensor, self._batch)


_SAME_SHAPE = frozenset({F.batch_norm, F.relu, F.relu6, F.gelu, F.silu, F.hardswish, F.hardsigmoid})


def _shape_only(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> torch.Tensor | None:
    """The result of an operation of which nothing but the shape is wanted, or None to run it.

    On the meta device these few run through slow Python decompositions, which would take most of the time.
    """
    if function not in _SAME_SHAPE or not args or not args[0].is_meta or kwargs.get("inplace"):
        return None
    return torch.empty(args[0].shape, dtype=args[0].dtype, device="meta")


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []
