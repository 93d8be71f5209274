"""Keras's own example of a small convolutional network (`mnist_convnet`, by F. Chollet): its network and settings.

    KERAS_BACKEND=tensorflow python convnet_keras.py FOLDER_WITH_MNIST [EPOCHS]

Two convolutions with pooling, dropout of a half, batches of 128, a tenth held out, Adam, 15 epochs. The one addition:
after each epoch the test images are scored, outside the clock. Prints one JSON object: for each epoch the seconds of
training so far and the test errors.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder, epochs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 15
x_train = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1).astype("float32") / 255
y_train = read(folder / "train-labels-idx1-ubyte.gz", 8)
x_test = read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1).astype("float32") / 255
y_test = read(folder / "t10k-labels-idx1-ubyte.gz", 8)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])


class Clock(keras.callbacks.Callback):
    """Counts the seconds of training, and the test errors after each epoch."""

    def __init__(self) -> None:
        """Starts the clock."""
        super().__init__()
        self.seconds, self.rows, self.started = 0.0, [], time.perf_counter()

    def on_epoch_end(self, epoch: int, _logs: dict | None = None) -> None:
        """Stops the clock while the test images are scored."""
        self.seconds += time.perf_counter() - self.started
        errors = int((self.model.predict(x_test, batch_size=1000, verbose=0).argmax(axis=1) != y_test).sum())
        self.rows.append({"epoch": epoch + 1, "seconds": self.seconds, "errors": errors})
        print(json.dumps(self.rows[-1]), file=sys.stderr, flush=True)
        self.started = time.perf_counter()


clock = Clock()
model.fit(x_train, y_train, batch_size=128, epochs=epochs, validation_split=0.1, verbose=0, callbacks=[clock])
print(json.dumps({"rows": clock.rows}))
