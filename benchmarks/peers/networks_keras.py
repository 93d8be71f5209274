"""Three convolutional networks, trained with Keras's own `fit` on the backend that KERAS_BACKEND names, or with ours.

    KERAS_BACKEND=tensorflow python networks_keras.py FOLDER_WITH_MNIST NETWORK IMAGES EPOCHS [ours]

Prints one JSON object: the seconds of each epoch, each a call of `fit`, the first with compilation; and the last loss.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OURS = sys.argv[5:] == ["ours"]
if OURS:
    import mnistry
import keras  # noqa: E402  after mnistry, which chooses its backend
import numpy as np  # noqa: E402

layers = keras.layers
BATCH_SIZE = 128


def mnist_convnet() -> Any:
    """The network of Keras's own example of that name, by F. Chollet."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lenet() -> Any:
    """LeNet-5 (LeCun et al. 1998), with softmax at the end."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def residual() -> Any:
    """Three residual blocks with batch normalization (He et al. 2015), 16 to 64 channels."""

    def normalized(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    image = keras.Input((28, 28, 1))
    x = layers.ReLU()(normalized(image, 16, 3))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = normalized(layers.ReLU()(normalized(x, filters, 3, strides)), filters, 3)
        x = x if strides == 1 else normalized(x, filters, 1, strides)
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


NETWORKS: dict[str, Callable[[], Any]] = {"mnist_convnet": mnist_convnet, "LeNet-5": lenet, "residual": residual}


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder, network, images, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
x = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)[:images].astype("float32") / 255
y = read(folder / "train-labels-idx1-ubyte.gz", 8)[:images].astype("int32")
model = NETWORKS[network]()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
seconds, cpu_seconds = [], []
for _ in range(epochs):
    wall, cpu = time.perf_counter(), time.process_time()
    if OURS:
        history = mnistry.fit(model, x, y, batch_size=BATCH_SIZE, verbose=0)
    else:
        history = model.fit(x, y, batch_size=BATCH_SIZE, verbose=0)
    seconds.append(time.perf_counter() - wall)
    cpu_seconds.append(time.process_time() - cpu)
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "loss": history.history["loss"][-1]}))
