"""A GoogLeNet-style network for CIFAR-10: parallel branches, concatenated."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


class ConvBlock(layers.Layer):
    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, kernel_size, padding="same", use_bias=False)
        self.bn = layers.BatchNormalization()

    def call(self, x):
        return keras.activations.relu(self.bn(self.conv(x)))


class Inception(layers.Layer):
    """1x1, 3x3, 5x5 and pooling branches; the 3x3 and 5x5 ones reduce channels first."""

    def __init__(self, ch1, ch3_reduce, ch3, ch5_reduce, ch5, pool, **kwargs):
        super().__init__(**kwargs)
        self.branch1 = ConvBlock(ch1, 1)
        self.branch3 = [ConvBlock(ch3_reduce, 1), ConvBlock(ch3, 3)]
        self.branch5 = [ConvBlock(ch5_reduce, 1), ConvBlock(ch5, 5)]
        self.pool = layers.MaxPooling2D(3, strides=1, padding="same")
        self.pool_proj = ConvBlock(pool, 1)

    def call(self, x):
        b1 = self.branch1(x)
        b3 = self.branch3[1](self.branch3[0](x))
        b5 = self.branch5[1](self.branch5[0](x))
        bp = self.pool_proj(self.pool(x))
        return keras.ops.concatenate([b1, b3, b5, bp], axis=-1)


class InceptionNet(keras.Model):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = ConvBlock(32, 3)
        self.inception1 = Inception(16, 16, 24, 8, 12, 12)  # -> 64
        self.pool1 = layers.MaxPooling2D(2)
        self.inception2 = Inception(32, 24, 48, 12, 24, 24)  # -> 128
        self.pool2 = layers.MaxPooling2D(2)
        self.inception3 = Inception(48, 32, 64, 16, 24, 24)  # -> 160
        self.avgpool = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.4)
        self.fc = layers.Dense(num_classes)

    def call(self, x):
        x = self.stem(x)
        x = self.pool1(self.inception1(x))
        x = self.pool2(self.inception2(x))
        x = self.inception3(x)
        return self.fc(self.dropout(self.avgpool(x)))


if __name__ == "__main__":
    model = InceptionNet()
    print(model(np.zeros((1, 32, 32, 3), dtype="float32")).shape)
