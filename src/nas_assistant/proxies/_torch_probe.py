"""Asks a PyTorch module what proxies ask."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.proxies._probe import BATCH, Array, BaseProbe, Block, Perturbation, Saliency
from nas_assistant.proxies._torch_recorder import Recorder, Recording


class TorchProbe(BaseProbe):
    """A PyTorch module; see :class:`BaseProbe`.

    Args:
        module: Left as it is.
        inputs: Strides are kept, so a transposed array of channels-last images runs in that layout.
        labels: Class numbers.
        seed: Of everything random.
        input_shape: Of one sample, where there are no inputs.
        tokens: Whether a sample is whole numbers then.

    Raises:
        UserError: The module cannot be copied.
    """

    framework: ClassVar[str] = "torch"

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Array | None,
        labels: Array | None,
        seed: int,
        input_shape: tuple[int, ...] | None = None,
        tokens: bool = False,
    ) -> None:
        super().__init__(inputs, labels, seed)
        try:
            self._module = copy.deepcopy(module)
        except Exception as error:
            raise UserError(f"{type(module).__name__} cannot be copied: {error}") from error
        shape = tuple(input_shape or ())
        kind = torch.long if tokens else torch.float32
        x = torch.zeros(BATCH, *shape, dtype=kind) if inputs is None else torch.from_numpy(inputs)
        own = next((p.dtype for p in self._module.parameters() if p.is_floating_point()), torch.float32)
        self._x = x.to(own) if x.is_floating_point() else x
        self._y = None if self.labels is None else torch.from_numpy(self.labels.astype(np.int64))
        initialise(self._module, seed, lambda fan: lambda w: w.uniform_(-(fan**-0.5), fan**-0.5))
        self._module.train()

    @cached_property
    def graph(self) -> ComputationalGraph:
        """The computational graph, of two samples."""
        return ComputationalGraph.from_torch(self._module, _copied(self._x[:2]))

    def weights(self) -> list[Array]:
        """The weights, which share the module's memory."""
        return [w.detach().numpy() for w in self._trained()]

    def gradients(self) -> list[Array | None]:
        """From the shared pass."""
        self._trained()
        return self._loss_gradients[0]

    def saliencies(self) -> list[Saliency]:
        """From the shared pass."""
        return self._loss_gradients[1]

    def patterns(self) -> list[Array]:
        """From the shared pass."""
        return [pattern.numpy() for pattern in self._pass[1].patterns]

    def input_gradients(self) -> Array:
        """From the shared pass."""
        self.check_numbers(self._x.dtype)
        x, recording = self._pass
        (gradient,) = torch.autograd.grad(recording.logits.sum(), x, retain_graph=True)
        return gradient.reshape(len(gradient), -1).numpy()

    def part_gradients(self, parts: Sequence[slice]) -> list[list[Array | None]]:
        """A pass for each part."""
        self._release()
        found = []
        for part in parts:
            loss = self._loss(self._run(self._x[part], Recorder()).logits, part)
            found.append(_arrays(torch.autograd.grad(loss, self._trained(), allow_unused=True)))
        return found

    def hessian_gradients(self) -> list[Array | None]:
        """By differentiating half the squared norm of the gradient."""
        self._release()
        weights = self._trained()
        loss = self._loss(self._run(self._x, Recorder()).logits)
        gradients = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
        product = torch.stack([(g.detach() * g).sum() for g in gradients if g is not None]).sum()
        return _arrays(torch.autograd.grad(product, weights, allow_unused=True))

    def flows(self) -> list[Array]:
        """One sample of ones, in float64."""
        self.check_numbers(self._x.dtype)
        module = copy.deepcopy(self._module).double()
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor.abs_()
        x = torch.ones_like(self._x[:1], dtype=torch.float64)
        weights = self._trained(module)
        logits = self._run(x, Recorder(normalise=False), module).logits
        gradients = torch.autograd.grad(logits.sum(), weights, allow_unused=True)
        return [(w * g).detach().numpy() for w, g in zip(weights, gradients, strict=True) if g is not None]

    def perturbation(self, size: float) -> Perturbation:
        """Two passes."""
        first, noise = self._noise(2)
        self._release()
        module = copy.deepcopy(self._module)
        initialise(module, self.seed, lambda fan: lambda w: w.normal_())
        with torch.no_grad():
            before = self._run(first, Recorder(), module)
            after = self._run(first + size * noise, Recorder(variances=True), module)
        maps = [r.logits if r.last_map is None else r.last_map for r in (before, after)]
        change = (maps[0] - maps[1]).abs().flatten(1).sum(dim=1).mean()
        return Perturbation(float(change), tuple(after.variances))

    def blocks(self) -> list[Block]:
        """From one pass that notes what depends on what."""
        from nas_assistant.proxies._torch_blocks import read_blocks

        (noise,) = self._noise(1)
        self._release()
        module = copy.deepcopy(self._module)
        initialise(module, self.seed, lambda fan: lambda w: w.normal_(0.0, (2 / fan) ** 0.5))
        with self._seeded():
            return read_blocks(module, noise)

    def _noise(self, count: int) -> list[torch.Tensor]:
        """Gaussian inputs of the shape and layout of the minibatch."""
        self.check_numbers(self._x.dtype)
        generator = torch.Generator().manual_seed(self.seed)
        return [torch.empty_like(self._x).normal_(generator=generator) for _ in range(count)]

    @cached_property
    def _pass(self) -> tuple[torch.Tensor, Recording]:
        """The pass that most proxies share, with its autograd graph."""
        x = _copied(self._x)
        x.requires_grad_(x.is_floating_point())
        return x, self._run(x, Recorder(patterns=True, outputs=True))

    @cached_property
    def _loss_gradients(self) -> tuple[list[Array | None], list[Saliency]]:
        recording, weights = self._pass[1], _weights(self._module)
        outputs = [output.tensor for output in recording.outputs]
        loss = self._loss(recording.logits)
        found = torch.autograd.grad(loss, [*weights, *outputs], retain_graph=True, allow_unused=True)
        saliencies = [
            Saliency(_per_channel(output.tensor.detach() * gradient, output.channels), output.weights)
            for output, gradient in zip(recording.outputs, found[len(weights) :], strict=True)
            if gradient is not None
        ]
        return _arrays(found[: len(weights)]), saliencies

    def _loss(self, logits: torch.Tensor, part: slice = slice(None)) -> torch.Tensor:
        self.check_classes(logits.shape)
        assert self._y is not None
        return F.cross_entropy(logits, self._y[part])

    def _trained(self, module: torch.nn.Module | None = None) -> list[torch.nn.Parameter]:
        """The weights, where a score needs some."""
        found = _weights(module or self._module)
        self.check_weights(found)
        return found

    def _release(self) -> None:
        """Forget the shared pass, whose activations take memory that the next pass needs."""
        self.__dict__.pop("_pass", None)

    def _run(self, x: torch.Tensor, recorder: Recorder, module: torch.nn.Module | None = None) -> Recording:
        with self._seeded():  # and on a copy: a forward may write into what it is given
            return recorder.run(module or self._module, _copied(x))

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield


def _copied(x: torch.Tensor) -> torch.Tensor:
    return x.clone(memory_format=torch.preserve_format)


def _weights(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [w for w in module.parameters() if w.requires_grad and w.dim() >= 2]


def _arrays(tensors: Sequence[torch.Tensor | None]) -> list[Array | None]:
    return [None if tensor is None else tensor.detach().numpy() for tensor in tensors]


def _per_channel(values: torch.Tensor, channels: int) -> Array:
    places = [axis for axis in range(1, values.dim()) if axis != channels]
    return (values.sum(dim=places) if places else values).numpy()


Draw = Callable[[torch.Tensor], Any]


def initialise(module: torch.nn.Module, seed: int, rule: Callable[[int], Draw]) -> None:
    """Draw the weights of a module anew.

    Args:
        module: Changed in place.
        seed: Of the draw.
        rule: Gives, for a fan-in, what fills a weight of two or more axes.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in module.modules():
            normalises = "Norm" in type(part).__name__
            for name, parameter in part.named_parameters(recurse=False):
                if parameter.dim() >= 2:
                    rule(max(parameter[0].numel(), 1))(parameter)
                elif "bias" in name:
                    parameter.zero_()
                elif normalises:
                    parameter.fill_(1.0)
            if isinstance(part, torch.nn.modules.batchnorm._NormBase):
                part.reset_running_stats()
