"""Kill batches in the middle; whatever was killed, every picture must be in the output once, with the same answer.

    MNISTRY_DATA_DIR=... python benchmarks/batch_kills.py [TIMES]

What is killed, with SIGKILL, at a random moment: the driver, which is started again with --resume at once, while
workers of the first are still dying; a worker; a node, out of a cluster of three on this machine. After each the rows
are compared with those of a batch left alone.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.runtime import files, provenance

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.batching import alive, cluster, descendants, parts, rows, started, wait_for, workers

RESULT = Path(__file__).parent / "results" / "batch_kills.json"
IMAGES = 60_000  # MNIST's test images repeated
CHOICE = random.Random(2026)
KILLED = ("driver", "worker", "node")


def main(times: int = 10) -> None:
    """Write `results/batch_kills.json`."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "images.npy"
        images = loading.load("mnist").x_test
        np.save(source, np.resize(images, (IMAGES, 28, 28)))
        alone = Path(scratch) / "alone"
        _finish(started(source, alone, "--single"))
        expected, total = rows(alone), len(parts(alone))
        with cluster(3) as nodes:
            for number in range(times):
                for what in KILLED:
                    out = Path(scratch) / f"{what}-{number}"
                    moment = CHOICE.randrange(1, total)
                    row = {"killed": what, "files": moment, **KILLS[what](source, out, moment, nodes)}
                    written = rows(out)
                    row["rows"], row["right"] = written.num_rows, written.equals(expected)
                    print(row, flush=True)
                    found.append(row)
    content = {"images": IMAGES, "files": total, "rows": found, "environment": provenance.describe_environment()}
    files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = ["| killed in the middle | times | every picture once, same answers |", "|---|---|---|"]
    for what in KILLED:
        right = [row["right"] for row in content["rows"] if row["killed"] == what]
        lines.append(f"| {what} | {len(right)} | {sum(right)} |")
    return "\n".join(lines)


def _driver(source: Path, out: Path, moment: int, _: object) -> dict[str, Any]:
    process = started(source, out, "--single")
    wait_for(lambda: len(parts(out)) >= moment, process)
    below = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    there, still_alive = len(parts(out)), sum(alive(pid) for pid in below)
    _finish(started(source, out, "--single", "--resume"))
    return {"there": there, "still_alive": still_alive}


def _worker(source: Path, out: Path, moment: int, _: object) -> dict[str, Any]:
    process = started(source, out, "--single")
    wait_for(lambda: len(parts(out)) >= moment, process)
    chosen = workers(process.pid)
    for pid in chosen[:1]:
        os.kill(pid, signal.SIGKILL)
    there = len(parts(out))
    _finish(process)
    return {"there": there, "at_work": len(chosen)}


def _node(source: Path, out: Path, moment: int, nodes: Any) -> dict[str, Any]:
    process = started(source, out, "--single", "--ray-address", nodes.address)
    wait_for(lambda: len(parts(out)) >= moment, process)
    chosen = CHOICE.choice([node for node in nodes.list_all_nodes() if node != nodes.head_node])
    nodes.remove_node(chosen, allow_graceful=False)
    there = len(parts(out))
    _finish(process)
    nodes.add_node(num_cpus=1, object_store_memory=80_000_000)
    return {"there": there}


KILLS = {"driver": _driver, "worker": _worker, "node": _node}


def _finish(process: Any) -> None:
    _, errors = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(errors)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
