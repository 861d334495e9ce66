"""MobileNetV2 cut down for CIFAR-10: inverted residuals with depthwise convolutions."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

# (output channels, stride of the first block, number of blocks)
STAGES = ((16, 1, 1), (24, 1, 2), (32, 2, 2), (64, 2, 2))


class InvertedResidual(layers.Layer):
    def __init__(self, in_channels, out_channels, stride, expansion, **kwargs):
        super().__init__(**kwargs)
        hidden = in_channels * expansion
        self.use_skip = stride == 1 and in_channels == out_channels
        self.expand = layers.Conv2D(hidden, 1, use_bias=False)
        self.bn1 = layers.BatchNormalization()
        self.relu1 = layers.ReLU(max_value=6.0)
        # One pixel on every side, as in PyTorch; "same" differs at stride 2.
        self.pad = layers.ZeroPadding2D(1)
        self.depthwise = layers.DepthwiseConv2D(3, strides=stride, use_bias=False)
        self.bn2 = layers.BatchNormalization()
        self.relu2 = layers.ReLU(max_value=6.0)
        # linear bottleneck: no activation after the projection
        self.project = layers.Conv2D(out_channels, 1, use_bias=False)
        self.bn3 = layers.BatchNormalization()

    def call(self, x):
        out = self.relu1(self.bn1(self.expand(x)))
        out = self.relu2(self.bn2(self.depthwise(self.pad(out))))
        out = self.bn3(self.project(out))
        return x + out if self.use_skip else out


def build_model(num_classes=10, expansion=4):
    model = keras.Sequential(name="mobilenet")
    model.add(keras.Input(shape=(32, 32, 3)))
    model.add(layers.Conv2D(16, 3, padding="same", use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU(max_value=6.0))
    channels = 16
    for out_channels, stride, repeats in STAGES:
        for i in range(repeats):
            model.add(InvertedResidual(channels, out_channels, stride if i == 0 else 1, expansion))
            channels = out_channels
    model.add(layers.Conv2D(256, 1, use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU(max_value=6.0))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(num_classes))
    return model


if __name__ == "__main__":
    model = build_model()
    print(model(np.zeros((1, 32, 32, 3), dtype="float32")).shape)
