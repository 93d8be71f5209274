"""`mnistry batch` beside a bare loop over the same images, and beside `mnistry read` on the same files.

    MNISTRY_DATA_DIR=... python benchmarks/batch.py [LARGEST]

MNIST's test images, repeated, as one NPY file of 10,000, 100,000 and 1,000,000 images, read by one and by two workers;
just before each, one process with as many threads calls `Recognizer.predict` on the same file. Pictures are drawn
digits as PNG files. Rates count from when the first part is begun. Memory is that of all processes of the job together,
without the object store, pages that several share counted once (PSS), sampled four times a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import Recognizer
from mnistry.datasets import loading
from mnistry.runtime import files, provenance

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.batching import command, descendants, rows
from helpers.writing import digit

RESULT = Path(__file__).parent / "results" / "batch.json"
SIZES, WORKERS, PICTURES = (10_000, 100_000, 1_000_000), (1, 2), 3_000
BARE = 200_000  # images at most for the bare loop
SLICE = 16_384
MACHINES, MANY = (1, 4, 16, 64), 100_000_000


def main(largest: int = SIZES[-1]) -> None:
    """Write `results/batch.json`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arrays = [_arrays(folder, images, workers) for images in SIZES if images <= largest for workers in WORKERS]
        content = {"arrays": arrays, "pictures": _pictures(folder), "environment": provenance.describe_environment()}
    files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as Markdown tables, and what follows from them for a cluster."""
    lines = [
        "| images, 28×28 | workers | start | after it | images/s | bare loop | batch / bare | memory, peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['images']:,} | {row['workers']} | {row['start']:.1f} s | {row['read']:.1f} s | {row['rate']:,.0f} | "
        f"{row['bare']:,.0f} | {row['rate'] / row['bare']:.0%} | {row['mb']:,.0f} MB |"
        for row in content["arrays"]
    ]
    files_row = content["pictures"]
    share = files_row["rate"] / files_row["read"]
    lines += [
        "",
        f"{files_row['pictures']:,} pictures in files, {files_row['workers']} workers: {files_row['rate']:,.0f} "
        f"pictures/s; `mnistry read` on the same files {files_row['read']:,.0f}/s, so {share:.0%} of it.",
        "",
        "Computed, not measured: as many machines like this one as the first column says, if the store delivers.",
        "",
        f"| machines | images/s | {MANY:,} images | from the store |",
        "|---|---|---|---|",
    ]
    rate = max(row["rate"] for row in content["arrays"])
    lines += [
        f"| {n} | {n * rate:,.0f} | {_duration(MANY / (n * rate))} | {n * rate * 784 / 1e6:,.0f} MB/s |"
        for n in MACHINES
    ]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds > 120 else f"{seconds:,.0f} s"


def _arrays(folder: Path, images: int, workers: int) -> dict[str, Any]:
    source, out = folder / f"{images}.npy", folder / f"out-{images}-{workers}"
    if not source.exists():
        _write(source, images)
    bare = _bare(source, workers)
    with _weighed() as memory:
        done = subprocess.run(
            command(source, out, "--single", "--workers", workers), stdout=subprocess.DEVNULL, check=True
        )
    assert done.returncode == 0
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["pictures"] == images == rows(out).num_rows
    row = {
        "images": images,
        "workers": workers,
        "start": summary["seconds"]["start"],
        "read": summary["seconds"]["read"],
        "rate": summary["pictures_per_second"],
        "bare": bare,
        "mb": max(memory),
        "mb_by_tenths": [round(max(part)) for part in np.array_split(memory, 10) if len(part)],
    }
    print(row, flush=True)
    return row


def _write(path: Path, images: int) -> None:
    x = loading.load("mnist").x_test
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (images, 28, 28))
    for start in range(0, images, len(x)):
        array[start : start + len(x)] = x[: images - start]
    array.flush()


def _bare(source: Path, threads: int) -> float:
    """Images a second of the plainest loop there is, with as many threads as the batch has workers."""
    recognizer, images = Recognizer.load(threads=threads), np.load(source, mmap_mode="r")[:BARE]
    recognizer.predict(images[:SLICE])
    started = time.perf_counter()
    for start in range(0, len(images), SLICE):
        recognizer.predict(images[start : start + SLICE])
    return len(images) / (time.perf_counter() - started)


def _pictures(folder: Path) -> dict[str, Any]:
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(PICTURES):
        digit(str(number % 10), height=50 + number % 40, seed=number).save(pictures / f"{number:05}.png")
    read = _read(pictures)
    out = folder / "out-pictures"
    subprocess.run(command(pictures, out), stdout=subprocess.DEVNULL, check=True)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    found = {"pictures": PICTURES, "workers": summary["workers"], "rate": summary["pictures_per_second"], "read": read}
    print(found, flush=True)
    return found


def _read(pictures: Path) -> float:
    """Pictures a second of `mnistry read`, from its first answer to its last."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mnistry", "read", "--json", str(pictures)], stdout=subprocess.PIPE, text=True
    )
    moments = [time.perf_counter() for _ in process.stdout]
    process.wait()
    assert len(moments) == PICTURES
    return (len(moments) - 1) / (moments[-1] - moments[0])


@contextmanager
def _weighed() -> Iterator[list[float]]:
    """The memory of all processes below this one, in MB, as it goes on."""
    memory: list[float] = []
    ended = threading.Event()

    def weigh() -> None:
        while not ended.wait(0.25):
            memory.append(sum(_megabytes(pid) for pid in descendants(os.getpid())))

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def _megabytes(pid: int) -> float:
    """Measure a process's memory with its share of shared pages, without the object store."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return 0.0
    found = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return (found["Pss:"] - found["Pss_Shmem:"]) / 1000


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
