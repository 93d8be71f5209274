"""The lesson's training as a plain PyTorch loop over tensors in memory; no loader between, which would only slow it.

Adam is used as it comes; with `fused=True` this loop takes about half as long.

    python lesson_torch.py FOLDER_WITH_MNIST

Prints one JSON object: seconds of training, of all, and the test accuracy.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()

import numpy as np  # noqa: E402  the clock starts before the imports: users wait for them too
import torch  # noqa: E402


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder = Path(sys.argv[1])
x_train = torch.tensor(read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255))
y_train = torch.tensor(read(folder / "train-labels-idx1-ubyte.gz", 8).astype(np.int64))
x_test = torch.tensor(read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255))
y_test = torch.tensor(read(folder / "t10k-labels-idx1-ubyte.gz", 8).astype(np.int64))

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
loss_function = torch.nn.CrossEntropyLoss()

fit_started = time.perf_counter()
model.train()
for _ in range(5):
    for chosen in torch.randperm(len(x_train)).split(32):
        optimizer.zero_grad(set_to_none=True)
        loss_function(model(x_train[chosen]), y_train[chosen]).backward()
        optimizer.step()
fit_seconds = time.perf_counter() - fit_started

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
total = time.perf_counter() - STARTED
print(json.dumps({"fit_seconds": fit_seconds, "total_seconds": total, "accuracy": accuracy}))
