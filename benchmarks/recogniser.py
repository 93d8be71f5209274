"""The recogniser: from `import mnistry` to the first answer, one image, and many; beside the bare runtime.

    MNISTRY_DATA_DIR=... python benchmarks/recogniser.py [MODEL]

The first is measured in fresh processes. The ways of asking for many images take turns, seven rounds, in one process;
shown are medians, with the smallest and the largest. The images are MNIST's test images, twice: the
recogniser looks twice at those that it is unsure of, one of eighty, and the bare runtime at none.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import Recognizer
from mnistry.datasets import loading
from mnistry.models.classifier import SHIPPED
from mnistry.runtime import files, provenance

RESULT = Path(__file__).parent / "results" / "recogniser.json"
MODEL = Path(__file__).parent.parent / "src" / "mnistry" / SHIPPED
STARTS, ANSWERS, ROUNDS, IMAGES = 15, 2_000, 7, 20_000
START = """if True:
    import time
    started = time.perf_counter()
    import mnistry
    recognizer = mnistry.Recognizer.load({model!r})
    import numpy
    recognizer.predict_all(numpy.zeros((1, 28, 28), numpy.uint8))
    print(time.perf_counter() - started)
"""


def main(model: str) -> None:
    """Write `results/recogniser.json`."""
    images = np.resize(loading.load("mnist").x_test, (IMAGES, 28, 28))
    content = {
        "model": {"name": Recognizer.load(model).info.name, "bytes": Path(model).stat().st_size},
        "start": _spread([_start(model) for _ in range(STARTS)]),
        "one": _spread([_timed(one) for one in [_one(model, images)] * ANSWERS]),
        "many": _many(model, images),
        "environment": {**provenance.describe_environment(), "onnxruntime": metadata.version("onnxruntime")},
    }
    files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    start, one = content["start"], content["one"]
    lines = ["| | median | smallest to largest |", "|---" * 3 + "|"]
    lines.append(
        f"| `import mnistry`, load, first answer | {start['median']:.2f} s | {start['low']:.2f}–{start['high']:.2f} s |"
    )
    lines.append(f"| one image | {1e3 * one['median']:.3f} ms | {1e3 * one['low']:.3f}–{1e3 * one['high']:.3f} ms |")
    lines += [
        f"| {name} | {each['median']:,.0f} images/s | {each['low']:,.0f}–{each['high']:,.0f} |"
        for name, each in content["many"].items()
    ]
    return "\n".join(lines)


def _start(model: str) -> float:
    done = subprocess.run([sys.executable, "-c", START.format(model=model)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _one(model: str, images: np.ndarray) -> Callable[[], object]:
    recognizer = Recognizer.load(model)
    return lambda: recognizer.predict_all(images[:1])


def _many(model: str, images: np.ndarray) -> dict[str, dict[str, float]]:
    """Images a second of each way of asking."""
    ways: dict[str, Callable[[], object]] = {}
    for threads in (2, 1):
        recognizer = Recognizer.load(model, threads=threads)
        ways[f"{IMAGES:,} images, {threads} thread{'s' * (threads > 1)}"] = lambda each=recognizer: each.predict_all(
            images
        )
    for name, spinning, chunk in (("spinning", "1", 128), ("waiting", "0", 128), ("spinning", "1", IMAGES)):
        session = _bare(model, spinning)
        label = f"the bare runtime's own 2 threads, {name}, {chunk:,} at a time"
        ways[label] = lambda session=session, chunk=chunk: [
            session.run(None, {"images": images[start : start + chunk]}) for start in range(0, IMAGES, chunk)
        ]
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            rates[name].append(IMAGES / _timed(way))
    return {name: _spread(found[1:]) for name, found in rates.items()}


def _bare(model: str, spinning: str) -> Any:
    import onnxruntime  # after the recogniser has switched its telemetry off

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(MODEL))
