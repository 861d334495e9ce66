"""What a proxy may ask of a network, whatever the framework."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from nas_assistant.proxies._base import FaultKind, ProxyError

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

Array: TypeAlias = npt.NDArray[Any]

BATCH = 16
"""Samples of the inputs that are made up where there is no minibatch."""


@dataclass(frozen=True, slots=True)
class Saliency:
    """What the loss says of the output of a convolution or dense layer.

    Attributes:
        values: Output times gradient, summed over places, ``(batch, channels)``.
        weights: Weights that a channel has.
    """

    values: Array
    weights: int


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a network between two tensors that every path passes.

    Attributes:
        features: Its output, ``(positions, channels)``: all samples and places as rows.
        gain: Largest singular value of its mean Jacobian on random signs, or None where it has none.
        identity: Whether it hands its input on.
    """

    features: Array
    gain: float | None
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Perturbation:
    """How a network answers a small change of a Gaussian input.

    Attributes:
        change: Mean over the samples of the L1 distance between the last feature maps.
        variances: Of the input of each normalisation, mean over the channels, in order.
    """

    change: float
    variances: tuple[float, ...]


class BaseProbe(abc.ABC):
    """One untrained network and one minibatch.

    It works on a copy whose weights are drawn anew by one rule for every network and framework: weights of
    two or more axes from U(-a, a) with a = 1 / sqrt(fan-in), the default of PyTorch's convolutions and dense
    layers; biases 0; normalisations scale 1, shift 0. *Weights* are from here on the trainable ones of two or
    more axes, in a fixed order. The network runs as in training (normalisations by the statistics of the
    batch) but without dropout, and a softmax at its end is left out, so that scores are of logits.

    Args:
        inputs: ``(batch, ...)``, channels first, or None.
        labels: ``(batch,)`` class numbers, or None.
        seed: Of everything random.
    """

    framework: ClassVar[str]

    def __init__(self, inputs: Array | None, labels: Array | None, seed: int) -> None:
        self.inputs = inputs
        self.labels = None if labels is None else np.asarray(labels)
        self.seed = seed

    @property
    @abc.abstractmethod
    def graph(self) -> ComputationalGraph:
        """The computational graph."""

    @abc.abstractmethod
    def weights(self) -> list[Array]:
        """The weights."""

    @abc.abstractmethod
    def gradients(self) -> list[Array | None]:
        """Gradients of the cross-entropy by each weight; None where there is no path."""

    @abc.abstractmethod
    def part_gradients(self, parts: Sequence[slice]) -> list[list[Array | None]]:
        """:meth:`gradients` of each part of the minibatch by itself."""

    @abc.abstractmethod
    def hessian_gradients(self) -> list[Array | None]:
        """The Hessian of the cross-entropy times its gradient, by weight."""

    @abc.abstractmethod
    def saliencies(self) -> list[Saliency]:
        """Of each convolution and dense layer that the loss depends on."""

    @abc.abstractmethod
    def input_gradients(self) -> Array:
        """Gradient of the sum of the logits by the input, ``(batch, values)``."""

    @abc.abstractmethod
    def patterns(self) -> list[Array]:
        """Which units of each activation function have an input above 0, ``(batch, units)``, bool."""

    @abc.abstractmethod
    def flows(self) -> list[Array]:
        """Weight times gradient of the sum of the logits, for absolute weights and an input of ones.

        Normalisations are left out; float64.
        """

    @abc.abstractmethod
    def perturbation(self, size: float) -> Perturbation:
        """The answer to a Gaussian input changed by Gaussian noise of ``size``, for weights of N(0, 1)."""

    @abc.abstractmethod
    def blocks(self) -> list[Block]:
        """The blocks in order, for weights of N(0, 2 / fan-in) and a Gaussian input."""

    def check_weights(self, weights: Sequence[object]) -> None:
        """Make sure that there are weights to score.

        Raises:
            ProxyError: All are frozen.
        """
        if not weights:
            raise self.unsupported("no weight of two or more axes is trained")

    def check_classes(self, logits: Sequence[int]) -> None:
        """Make sure that the labels are classes of the network.

        Args:
            logits: Shape of the logits.

        Raises:
            ProxyError: They are not, or the logits are not ``(batch, classes)``.
        """
        if self.labels is None:
            raise ProxyError(FaultKind.NO_LABELS, "needs the class of each sample")
        if len(logits) != 2:
            raise self.unsupported(f"a loss is only defined for logits (batch, classes), not {tuple(logits)}")
        if self.labels.min() < 0 or self.labels.max() >= logits[1]:
            message = f"the data has class {self.labels.max()}, the network {logits[1]} logits"
            raise ProxyError(FaultKind.NO_LABELS, message)

    def close(self) -> None:  # noqa: B027
        """Leave the network as it was; a probe that works on a copy has nothing to do."""

    def check_numbers(self, dtype: object) -> None:
        """Make sure that the input is one that can change a little.

        Args:
            dtype: Of the samples, as NumPy or PyTorch has it.

        Raises:
            ProxyError: It is tokens.
        """
        if "float" not in str(dtype):
            raise ProxyError(FaultKind.UNSUPPORTED, "reads integer tokens")

    def unsupported(self, what: str) -> ProxyError:
        """The fault of a question that has no answer in this framework or for this network."""
        return ProxyError(FaultKind.UNSUPPORTED, f"{self.framework}: {what}")
