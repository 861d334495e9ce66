"""Nodes of a computational graph: weighted and regular operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from nas_assistant.graphs._operations import Operation


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source file.

    Attributes:
        file: Path as the interpreter reports it.
        line: 1-based.
        column: 0-based offset in UTF-8 bytes, as ``ast`` counts, or None where unknown.
    """

    file: str
    line: int
    column: int | None = None


def without_ones(shape: Sequence[int]) -> list[int]:
    """A shape less its axes of length 1."""
    return [size for size in shape if size != 1]


def is_per_channel(shape: Sequence[int], channels: int) -> bool:
    """Whether a shape of one sample is a number for each channel; as many pixels of one map are not."""
    return without_ones(shape) == without_ones((channels,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation. Shapes are channels first and leave the batch out.

    Attributes:
        id: Position in the graph's topological order.
        op: The operation, from the one vocabulary.
        inputs: Ids of the nodes it reads, in the order of its arguments.
        input_shape: Shape of the first input, ``(C, H, W)`` for a feature map.
        output_shape: Shape of the (first) output.
        kernel: Kernel height and width of convolutions and pools.
        stride: Vertical and horizontal stride.
        padding: ``(top, left, bottom, right)`` in pixels.
        dilation: Vertical and horizontal dilation.
        groups: Groups of a convolution.
        parameters: Those, frozen or not, that this node is the first to use.
        macs: Multiply-accumulates for one sample.
        layer: Dotted name of the layer that runs it; empty at the top level.
        detail: Name of the framework's own operation.
        call: Where the forward pass runs it.
        created: Where its layer was constructed.
    """

    id: int
    op: Operation
    inputs: tuple[int, ...] = ()
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int, int, int] | None = None
    dilation: tuple[int, int] | None = None
    groups: int | None = None
    parameters: int = 0
    macs: int = 0
    layer: str = ""
    detail: str = ""
    call: Location | None = None
    created: Location | None = None

    def signature(self) -> tuple[object, ...]:
        """What the node computes, whatever its framework, name and place in the file."""
        weight = (self.weight_shape, self.bias) if isinstance(self, WeightedNode) else ()
        return (
            self.op.value,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.output_shape,
            weight,
        )

    def replace(self, **changes: object) -> Node:
        """A copy with some attributes changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularNode(Node):
    """An operation without weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedNode(Node):
    """An operation with a weight tensor.

    Attributes:
        weight_shape: ``(C_out, C_in / groups, kH, kW)`` of a convolution, ``(out, in)`` of a dense layer,
            ``(C,)`` of a normalisation.
        bias: Whether it adds a bias.
    """

    weight_shape: tuple[int, ...]
    bias: bool = False
