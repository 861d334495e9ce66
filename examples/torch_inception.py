"""A GoogLeNet-style network for CIFAR-10: parallel branches, concatenated."""

import torch
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding="same", bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """1x1, 3x3, 5x5 and pooling branches; the 3x3 and 5x5 ones reduce channels first."""

    def __init__(self, in_channels, ch1, ch3_reduce, ch3, ch5_reduce, ch5, pool):
        super().__init__()
        self.branch1 = ConvBlock(in_channels, ch1, 1)
        self.branch3 = nn.Sequential(ConvBlock(in_channels, ch3_reduce, 1), ConvBlock(ch3_reduce, ch3, 3))
        self.branch5 = nn.Sequential(ConvBlock(in_channels, ch5_reduce, 1), ConvBlock(ch5_reduce, ch5, 5))
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            ConvBlock(in_channels, pool, 1),
        )

    def forward(self, x):
        branches = [self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)]
        return torch.cat(branches, dim=1)


class InceptionNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = ConvBlock(3, 32, 3)
        self.inception1 = Inception(32, 16, 16, 24, 8, 12, 12)  # -> 64
        self.pool1 = nn.MaxPool2d(2)
        self.inception2 = Inception(64, 32, 24, 48, 12, 24, 24)  # -> 128
        self.pool2 = nn.MaxPool2d(2)
        self.inception3 = Inception(128, 48, 32, 64, 16, 24, 24)  # -> 160
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(160, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = self.pool1(self.inception1(x))
        x = self.pool2(self.inception2(x))
        x = self.inception3(x)
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(self.dropout(x))


if __name__ == "__main__":
    model = InceptionNet().eval()
    print(model(torch.randn(1, 3, 32, 32)).shape)
