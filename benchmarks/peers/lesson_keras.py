"""The lesson as its notebook does it, on Keras with the backend that KERAS_BACKEND names; matplotlib for its pictures.

    KERAS_BACKEND=tensorflow python lesson_keras.py FOLDER_WITH_MNIST OUTPUT_FOLDER

The one change: the data comes from disk instead of from `keras.datasets.mnist`, so that no network is needed.
Prints one JSON object: seconds of `fit`, of all, and the test accuracy.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()

import keras  # noqa: E402  the clock starts before the imports: users wait for them too
import matplotlib  # noqa: E402
import numpy as np  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder, out = Path(sys.argv[1]), Path(sys.argv[2])
x_train = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
y_train = read(folder / "train-labels-idx1-ubyte.gz", 8)
x_test = read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
y_test = read(folder / "t10k-labels-idx1-ubyte.gz", 8)
print(x_train[2000, 10], file=sys.stderr)

plt.figure(figsize=(10, 10))
for place, index in enumerate(range(1990, 2010)):
    plt.subplot(5, 5, place + 1)
    plt.imshow(x_train[index], cmap="gray")
    plt.xlabel(y_train[index])
plt.savefig(out / "samples.png")

x_train, x_test = x_train / 255.0, x_test / 255.0
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

fit_started = time.perf_counter()
model.fit(x_train, y_train, epochs=5, verbose=0)
fit_seconds = time.perf_counter() - fit_started

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
answers = model.predict(x_test, verbose=0).argmax(axis=1)
confusion = np.bincount(y_test.astype(int) * 10 + answers, minlength=100).reshape(10, 10)
plt.figure(figsize=(8, 8))
plt.imshow(confusion)
for row in range(10):
    for column in range(10):
        plt.text(column, row, confusion[row, column], ha="center", va="center")
plt.savefig(out / "confusion.png")

probability_model = keras.Sequential([model, keras.layers.Softmax()])
train_probabilities = probability_model.predict(x_train, verbose=0)
test_probabilities = probability_model.predict(x_test, verbose=0)
print(train_probabilities[2000], train_probabilities[2000].argmax(), y_train[2000], file=sys.stderr)
plt.figure()
plt.imshow(x_train[2000])
plt.colorbar()
plt.savefig(out / "image.png")

total = time.perf_counter() - STARTED
print(
    json.dumps({"fit_seconds": fit_seconds, "total_seconds": total, "accuracy": float(accuracy), "loss": float(loss)})
)
