"""MobileNetV2 cut down for CIFAR-10: inverted residuals with depthwise convolutions."""

import torch
from torch import nn


def conv_bn(in_channels, out_channels, kernel_size, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, out_channels, stride, expansion):
        super().__init__()
        hidden = in_channels * expansion
        self.use_skip = stride == 1 and in_channels == out_channels
        self.expand = conv_bn(in_channels, hidden, 1)
        self.depthwise = conv_bn(hidden, hidden, 3, stride=stride, groups=hidden)
        # linear bottleneck: no activation after the projection
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        out = self.depthwise(self.expand(x))
        out = self.bn(self.project(out))
        return x + out if self.use_skip else out


class MobileNet(nn.Module):
    # (output channels, stride of the first block, number of blocks)
    stages = ((16, 1, 1), (24, 1, 2), (32, 2, 2), (64, 2, 2))

    def __init__(self, num_classes=10, expansion=4):
        super().__init__()
        self.stem = conv_bn(3, 16, 3)
        blocks = []
        channels = 16
        for out_channels, stride, repeats in self.stages:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out_channels, stride if i == 0 else 1, expansion))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = conv_bn(channels, 256, 1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(256, num_classes)

    def forward(self, x):
        x = self.head(self.blocks(self.stem(x)))
        x = x.mean(dim=(2, 3))
        return self.classifier(self.dropout(x))


if __name__ == "__main__":
    model = MobileNet().eval()
    print(model(torch.randn(1, 3, 32, 32)).shape)
