"""The floor: the matrix products of the lesson's training alone, in NumPy, with nothing between them.

    python floor.py

Per step of 32 images: two products forward, three back (the images need no gradient). Prints one JSON object.
"""

from __future__ import annotations

import json
import time

import numpy as np

random = np.random.default_rng(0)
images = random.random((60_000, 784), np.float32)
first, second = random.random((784, 128), np.float32), random.random((128, 10), np.float32)
slope = random.random((32, 10), np.float32)

started = time.perf_counter()
for _ in range(5):
    for start in range(0, 60_000, 32):
        batch = images[start : start + 32]
        hidden = batch @ first
        hidden @ second
        hidden.T @ slope
        batch.T @ (slope @ second.T)
print(json.dumps({"fit_seconds": time.perf_counter() - started}))
