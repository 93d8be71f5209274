"""The lesson's training with scikit-learn's MLPClassifier: same widths, Adam, batches of 32, 5 epochs; no dropout.

    python lesson_sklearn.py FOLDER_WITH_MNIST

Prints one JSON object: seconds of training, of all, and the test accuracy.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
import warnings
from pathlib import Path

STARTED = time.perf_counter()

import numpy as np  # noqa: E402  the clock starts before the imports: users wait for them too
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder = Path(sys.argv[1])
x_train = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255)
y_train = read(folder / "train-labels-idx1-ubyte.gz", 8)
x_test = read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255)
y_test = read(folder / "t10k-labels-idx1-ubyte.gz", 8)

warnings.simplefilter("ignore", ConvergenceWarning)  # five epochs are what the lesson asks for
model = MLPClassifier((128,), alpha=0, batch_size=32, max_iter=5, tol=0, n_iter_no_change=99, random_state=0)
fit_started = time.perf_counter()
model.fit(x_train, y_train)
fit_seconds = time.perf_counter() - fit_started
accuracy = float(model.score(x_test, y_test))
total = time.perf_counter() - STARTED
print(json.dumps({"fit_seconds": fit_seconds, "total_seconds": total, "accuracy": accuracy}))
