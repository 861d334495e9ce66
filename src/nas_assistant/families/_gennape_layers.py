"""Layers that the families of GENNAPE share."""

from __future__ import annotations

from torch import Tensor, nn

Pair = tuple[int, int]


class ConvBN(nn.Module):
    """Convolution that keeps the size at stride 1, batch norm and, where asked for, an activation.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.

    Args:
        inputs: Channels read.
        outputs: Channels written.
        kernel: Height and width, or one odd number for both.
        stride: Likewise.
        groups: Groups of the convolution.
        bias: Whether the convolution has one although a batch norm follows.
        activation: A fresh module to end with.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            (height, width),
            stride,
            padding=(height // 2, width // 2),
            groups=groups,
            bias=bias,
        )
        self.norm = batch_norm(outputs)
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three in order."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


class ConvPair(nn.Sequential):
    """A 1 x k and then a k x 1 convolution, each with batch norm and ReLU6.

    Shape: ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``.

    Args:
        inputs: Channels read.
        outputs: Channels written, by both convolutions.
        kernel: ``k``.
        strides: Vertical and horizontal stride of the first and of the second convolution.
        bias: Whether the convolutions have one.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, strides: tuple[Pair, Pair], bias: bool = False
    ) -> None:
        super().__init__(
            ConvBN(inputs, outputs, (1, kernel), strides[0], bias=bias, activation=nn.ReLU6()),
            ConvBN(outputs, outputs, (kernel, 1), strides[1], bias=bias, activation=nn.ReLU6()),
        )


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with the epsilon of the TensorFlow networks behind the published graphs."""
    return nn.BatchNorm2d(channels, eps=1e-3)
