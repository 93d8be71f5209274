"""Measure how training time grows with data, batch and width: ours beside Keras's own `fit`, in one process.

    MNISTRY_DATA_DIR=... python benchmarks/growth.py

Each case is trained one epoch to compile and one to be timed; the two are interleaved, three times, medians are shown.
More than 60,000 images are MNIST's, repeated.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import fit
from mnistry.datasets import loading
from mnistry.models import networks
from mnistry.runtime import files, provenance
from mnistry.training import recipes

RESULT = Path(__file__).parent / "results" / "growth.json"
REPEATS = 3
CASES = [
    *({"images": n, "batch_size": 32, "hidden": 128} for n in (1_000, 4_000, 15_000, 60_000, 240_000)),
    *({"images": 60_000, "batch_size": size, "hidden": 128} for size in (8, 128, 512, 2_048)),
    *({"images": 60_000, "batch_size": 32, "hidden": width} for width in (32, 512, 1_024)),
]


def main() -> None:
    """Write `results/growth.json`."""
    mnist = loading.load("mnist")
    rows = [_measured(mnist, **case) for case in CASES]
    content = {"rows": rows, "environment": provenance.describe_environment()}
    files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = ["| images | batch | width | ours, one epoch | Keras `fit` on JAX | ours / it |", "|---" * 6 + "|"]
    lines += [
        f"| {row['images']:,} | {row['batch_size']:,} | {row['hidden']:,} | {row['ours']:.2f} s | {row['keras']:.2f} s "
        f"| {row['ours'] / row['keras']:.2f} |"
        for row in content["rows"]
    ]
    return "\n".join(lines)


def _measured(mnist: loading.Dataset, images: int, batch_size: int, hidden: int) -> dict[str, float]:
    chosen = np.arange(images) % len(mnist.x_train)
    x, y = mnist.x_train[chosen], mnist.y_train[chosen].astype(np.int32)
    ours, theirs = (
        recipes.compile_model(networks.tutorial(seed=0, hidden=hidden), learning_rate=0.001) for _ in range(2)
    )
    floats = x.astype(np.float32)  # what Keras's fit is usually given
    here, there = [], []
    for repeat in range(REPEATS + 1):
        started = time.perf_counter()
        fit(ours, x, y, batch_size=batch_size, seed=repeat, verbose=0)
        here.append(time.perf_counter() - started)
        started = time.perf_counter()
        theirs.fit(floats, y, epochs=1, batch_size=batch_size, verbose=0)
        there.append(time.perf_counter() - started)
    row = {"images": images, "batch_size": batch_size, "hidden": hidden}
    row |= {"ours": statistics.median(here[1:]), "keras": statistics.median(there[1:])}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
