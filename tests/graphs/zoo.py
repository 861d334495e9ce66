"""Small PyTorch models of many kinds, each with an input to run it on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class Vgg(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d((4, 4)),
            nn.Flatten(),
            nn.Linear(128, 32),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(32, 10),
        )


class DenseNet(nn.Module):
    def __init__(self, growth=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(8 + i * growth), nn.ReLU(), nn.Conv2d(8 + i * growth, growth, 3, padding=1)
            )
            for i in range(3)
        )
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(8 + 3 * growth, 10)

    def forward(self, x):
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        x = self.pool(torch.cat(features, 1))
        return self.fc(x.mean([2, 3]))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down = nn.Conv2d(channels, channels // 4, 1)
        self.up = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.up(F.relu(self.down(self.pool(x)))))


class MobileNetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False)
        self.se = SqueezeExcite(16)
        self.act = nn.Hardswish()
        self.project = nn.Conv2d(16, 16, 1)
        self.grouped = nn.Conv2d(16, 32, 3, groups=4, dilation=2)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.act(self.bn(self.stem(x)))
        x = x + self.project(self.se(self.act(self.depthwise(x))))
        return self.fc(F.adaptive_avg_pool2d(self.grouped(x), 1).flatten(1))


class ConvNext(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, stride=4)
        self.depthwise = nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.norm = nn.LayerNorm(16)
        self.up = nn.Linear(16, 64)
        self.down = nn.Linear(64, 16)
        self.gamma = nn.Parameter(1e-6 * torch.ones(16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gamma * self.down(F.gelu(self.up(y)))
        x = x + y.permute(0, 3, 1, 2)
        return self.head(x.mean((-2, -1)))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class VisionTransformer(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, stride=8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 17, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 4)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x[:, 0])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.fc = nn.Linear(16, 5)

    def forward(self, tokens):
        x = self.embed(tokens)
        attended, _ = self.attention(x, x, x, need_weights=False)
        return self.fc(self.norm(x + attended).mean(1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        up = F.interpolate(F.avg_pool2d(self.up(second), 2), scale_factor=2)
        return self.out(torch.cat([first, up], dim=1))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 16, batch_first=True)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        output, _ = self.lstm(x)
        return self.fc(output[:, -1])


class DictOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 16)
        self.first, self.second = nn.Linear(16, 2), nn.Linear(16, 3)

    def forward(self, x):
        x = torch.tanh(self.body(x))
        return {"first": self.first(x), "second": self.second(x)}


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.table = nn.Conv2d(3, 8, 3), nn.Linear(5, 8)
        self.fc = nn.Linear(16, 3)

    def forward(self, image, table):
        image = F.elu(self.image(image)).amax((2, 3))
        return self.fc(torch.cat((image, F.leaky_relu(self.table(table))), 1))


class Shared(nn.Module):
    """One convolution, used three times."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = torch.relu_(self.conv(x))
        return x.mean((2, 3))


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.conv(x)
        skip = x
        x = self.bn(x)
        x += skip
        x.mul_(0.5).clamp_(0, 6)
        return F.silu(x, inplace=True).mean((2, 3))


class Functional(nn.Module):
    """No layers, only parameters and functions."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.weight = nn.Parameter(torch.randn(10, 4 * 15 * 15) / math.sqrt(900))

    def forward(self, x):
        x = F.max_pool2d(F.relu(F.conv2d(x, self.kernel)), 2)
        return F.log_softmax(F.linear(x.flatten(1), self.weight), dim=1)


class Branching(nn.Module):
    """Its path depends on the data: only a real forward pass can follow it."""

    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        return torch.relu(self.large(x)) if x.abs().sum() > 1e6 else torch.sigmoid(self.small(x))


def image():
    return torch.randn(2, 3, 32, 32)


MODELS = {
    "vgg": (Vgg, image),
    "densenet": (DenseNet, image),
    "mobilenet_v3": (MobileNetV3, image),
    "convnext": (ConvNext, image),
    "vision_transformer": (VisionTransformer, image),
    "encoder": (Encoder, lambda: torch.randint(0, 50, (2, 7))),
    "unet": (UNet, image),
    "lstm": (Lstm, lambda: torch.randn(2, 6, 12)),
    "dict_output": (DictOutput, lambda: torch.randn(2, 8)),
    "two_inputs": (TwoInputs, lambda: (image(), torch.randn(2, 5))),
    "shared": (Shared, image),
    "in_place": (InPlace, image),
    "functional": (Functional, image),
}
