"""The networks of `networks_keras.py` in PyTorch, trained with a plain loop.

    python networks_torch.py FOLDER_WITH_MNIST NETWORK IMAGES EPOCHS

Prints one JSON object: the seconds of each epoch, and the last loss.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

BATCH_SIZE = 128


def normalized(channels: int, filters: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch normalization."""
    convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters))


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        """Make the layers."""
        super().__init__()
        first, second = normalized(channels, filters, 3, stride), normalized(filters, filters, 3)
        self.own = nn.Sequential(first, nn.ReLU(), second)
        self.shortcut = nn.Identity() if stride == 1 else normalized(channels, filters, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add what the block computes to what it gets."""
        return torch.relu(self.own(x) + self.shortcut(x))


def network_of(name: str) -> nn.Module:
    """One of the three networks, which gives logits."""
    if name == "mnist_convnet":
        parts: list[Any] = [
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10),
        ]  # fmt: skip
    elif name == "LeNet-5":
        parts = [
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        ]  # fmt: skip
    else:
        blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        parts = [normalized(1, 16, 3), nn.ReLU(), *blocks, *head]
    return nn.Sequential(*parts)


def read(path: Path, offset: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


folder, images, epochs = Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])
pixels = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:images]
x = torch.from_numpy(pixels.astype("float32") / 255)
y = torch.from_numpy(read(folder / "train-labels-idx1-ubyte.gz", 8)[:images].astype("int64"))
network = network_of(sys.argv[2])
optimizer, loss_of = torch.optim.Adam(network.parameters()), nn.CrossEntropyLoss()
seconds, cpu_seconds = [], []
for _ in range(epochs):
    wall, cpu, total = time.perf_counter(), time.process_time(), 0.0
    network.train()
    for chosen in torch.randperm(images).split(BATCH_SIZE):
        optimizer.zero_grad()
        loss = loss_of(network(x[chosen]), y[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    seconds.append(time.perf_counter() - wall)
    cpu_seconds.append(time.process_time() - cpu)
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "loss": total / images}))
