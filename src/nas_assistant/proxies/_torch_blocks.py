"""Cuts a PyTorch module into blocks at the tensors that every path passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from nas_assistant.graphs import Operation
from nas_assistant.proxies._probe import Block
from nas_assistant.proxies._torch_recorder import LAYERS, describe_call

_SEQUENCES = (torch.nn.Sequential, torch.nn.ModuleList)


@dataclass(frozen=True, slots=True)
class _Step:
    tensor: torch.Tensor
    sources: tuple[int, ...]
    unit: int
    composite: bool
    layer: bool


class _Trail(TorchFunctionMode):
    """Notes every operation on what depends on the input, and the unit of the network that runs it."""

    def __init__(self, module: torch.nn.Module, inputs: torch.Tensor) -> None:
        super().__init__()
        self._units = {id(unit): bool(list(unit.children())) for unit in _units(module)}
        self._visits = itertools.count(1)
        self._running: tuple[int, bool] | None = None
        self.steps = [_Step(inputs, (), 0, False, False)]
        self._step_of = {id(inputs): 0}
        self._copies: list[torch.Tensor] = []  # kept alive, so that an id stays one tensor's

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [t for t in _flat((args, kwargs)) if isinstance(t, torch.Tensor)]
        sources = tuple(self._step_of[id(t)] for t in tensors if id(t) in self._step_of)
        if not sources:
            return function(*args, **kwargs)
        call, operation = describe_call(function, args, kwargs, tensors)
        if operation is Operation.DROPOUT:
            copy = call.input.clone()  # what follows may write into it
            self._step_of[id(copy)] = sources[0]
            self._copies.append(copy)
            return copy
        result = function(*args, **kwargs)
        for made in _flat(result):
            if isinstance(made, torch.Tensor):
                self._step_of[id(made)] = len(self.steps)
                unit, composite = self._running or (next(self._visits), False)
                self.steps.append(_Step(made, sources, unit, composite, operation in LAYERS))
        return result

    def run(self, module: torch.nn.Module) -> None:
        """One forward pass."""

        def enter(part: torch.nn.Module, _: Any) -> None:
            if id(part) in self._units:
                self._running = (next(self._visits), self._units[id(part)])

        def leave(part: torch.nn.Module, _: Any, __: Any) -> None:
            if id(part) in self._units:
                self._running = None

        handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
        try:
            with self:
                module(self.steps[0].tensor)
        finally:
            for handle in handles:
                handle.remove()


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _units(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The blocks as the module's structure has them: what stands in its sequences, or by itself."""
    for child in module.children():
        if isinstance(child, _SEQUENCES) or _is_backbone(child):
            yield from _units(child)
        else:
            yield child


def _is_backbone(module: torch.nn.Module) -> bool:
    """Whether a module has a sequence of blocks of one class."""
    for part in module.modules():
        if isinstance(part, _SEQUENCES):
            kinds = [type(child) for child in part if list(child.children())]
            if len(kinds) > len(set(kinds)):
                return True
    return False


def read_blocks(module: torch.nn.Module, inputs: torch.Tensor) -> list[Block]:
    """Run a module and describe its blocks in order; see :class:`Block`.

    A block ends where every path passes one feature map and the unit of the network changes, and begins with
    the next layer with weights; so plain layers are blocks with what follows them, and branching modules are
    blocks as a whole. Random signs come from the global generator.
    """
    trail = _Trail(module, inputs)
    trail.run(module)
    maps = [step.tensor for step in _boundaries(trail.steps)]
    blocks = []
    for before, after in zip([None, *maps], maps, strict=False):
        gain, identity = (None, False) if before is None else _gain(before, after)
        blocks.append(Block(_rows(after.detach()).numpy(), gain, identity))
    return blocks


def _boundaries(steps: list[_Step]) -> list[_Step]:
    """The last step of each block."""
    live = {len(steps) - 1}
    for index in range(len(steps) - 1, 0, -1):
        if index in live:
            live.update(steps[index].sources)
    order = sorted(live)
    last_reader = {source: index for index in order for source in steps[index].sources}
    found: list[_Step] = []
    reach, has_layer = last_reader.get(0, 0), False
    for index, following in zip(order[1:], [*order[2:], None], strict=True):
        step = steps[index]
        has_layer |= step.layer
        passed_by = reach > index
        reach = max(reach, last_reader.get(index, 0))
        if passed_by or (following is not None and steps[following].unit == step.unit):
            continue
        if not _is_map(step.tensor):
            continue
        if has_layer or step.composite or not found:
            found.append(step)
            has_layer = False
        elif not found[-1].composite:
            found[-1] = step
    return found


def _is_map(tensor: torch.Tensor) -> bool:
    return tensor.dim() >= 3 and tensor[0, 0].numel() > 1


def _rows(features: torch.Tensor) -> torch.Tensor:
    """``(positions, channels)`` of ``(N, C, H, W)`` or ``(N, T, C)``."""
    if features.dim() > 3:
        features = features.movedim(1, -1)
    return features.reshape(-1, features.shape[-1])


def _gain(before: torch.Tensor, after: torch.Tensor) -> tuple[float | None, bool]:
    """Largest singular value of the mean of input gradient times output sign; whether it is an identity."""
    signs = torch.randint(0, 2, after.shape).to(after.dtype) * 2 - 1
    if not after.requires_grad:
        return None, False
    (pulled,) = torch.autograd.grad(after, before, signs, retain_graph=True, allow_unused=True)
    if pulled is None:
        return None, False
    if pulled.shape == signs.shape and bool((pulled == signs).all()):
        return 1.0, True
    if pulled.dim() == 4 and pulled.shape[2:] != signs.shape[2:]:
        stride = pulled.shape[2] // max(signs.shape[2], 1)
        if stride < 1 or any(p != s * stride for p, s in zip(pulled.shape[2:], signs.shape[2:], strict=True)):
            return None, False
        pulled = torch.nn.functional.pixel_unshuffle(pulled, stride)
    rows, columns = _rows(pulled), _rows(signs)
    if len(rows) != len(columns):
        return None, False
    return float(torch.linalg.svdvals(rows.T @ columns / len(rows)).max()), False
