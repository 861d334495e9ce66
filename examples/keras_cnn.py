"""A small image classifier for CIFAR-10 (32 x 32 x 3, ten classes)."""

import numpy as np
from tensorflow.keras import Model
from tensorflow.keras.layers import *

input_shape = (32, 32, 3)

inputs = Input(shape=input_shape, name="input")
x = Conv2D(filters=16, kernel_size=(3, 3), activation="relu")(inputs)
x = BatchNormalization()(x)
x = MaxPooling2D(pool_size=(2, 2))(x)
x = Conv2D(filters=8, kernel_size=(3, 3), activation="relu")(x)
x = MaxPooling2D(pool_size=(2, 2))(x)
x = Flatten()(x)
x = Dense(units=128, activation="relu")(x)
x = Dense(units=128, activation="relu")(x)
x = Dense(units=64, activation="relu")(x)
x = Dropout(0.3)(x)
x = Dense(units=32, activation="relu")(x)
x = Dropout(0.5)(x)
outputs = Dense(units=10, activation="softmax", name="final")(x)

model = Model(inputs, outputs, name="cnn")


if __name__ == "__main__":
    print(model(np.zeros((1, *input_shape), dtype="float32")).shape)
