"""ResNet for CIFAR-10: three stages of two residual blocks each."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def basic_block(x, filters, stride=1):
    shortcut = x
    # Pad by hand: "same" at stride 2 pads on one side only.
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    # The shortcut is a plain skip unless the block changes the shape.
    if stride != 1 or shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(shortcut)
        shortcut = layers.BatchNormalization()(shortcut)
    x = layers.Add()([x, shortcut])
    return layers.ReLU()(x)


def build_model(widths=(16, 32, 64), blocks=2, num_classes=10):
    inputs = keras.Input(shape=(32, 32, 3))
    x = layers.Conv2D(widths[0], 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = basic_block(x, width, stride)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(num_classes)(x)
    return keras.Model(inputs, outputs, name="resnet")


if __name__ == "__main__":
    model = build_model()
    print(model(np.zeros((1, 32, 32, 3), dtype="float32")).shape)
